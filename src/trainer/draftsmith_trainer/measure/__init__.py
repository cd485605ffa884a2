"""The offline walk: drafts over a row's responses and computes the resulting accept lengths."""
