"""The offline walk: what a draft proposes over a row's responses, and the accept lengths that follow."""
