"""Tiny random checkpoints of the named targets, in the file layout of the published snapshots."""
