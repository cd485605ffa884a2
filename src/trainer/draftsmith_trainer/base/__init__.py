"""Shared code that works without tensors: errors, events, job files, atomic files, locks, signals."""
