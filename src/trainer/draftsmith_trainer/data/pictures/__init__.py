"""Pictures decoded ahead by worker processes into memory that is shared with the trainer.

This file imports nothing: a worker imports it too, and must not pay for torch.
"""
