"""Evaluates drafts: the offline walk of every draft, compared with a real draft-and-verify loop."""
