"""Worker processes that decode pictures ahead of use into memory shared with the trainer.

This file imports nothing: workers import it too, and must not load torch.
"""
