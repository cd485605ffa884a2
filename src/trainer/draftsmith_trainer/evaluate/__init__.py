"""Measuring drafts: the offline walk of every draft, held against a real draft-and-verify loop."""
