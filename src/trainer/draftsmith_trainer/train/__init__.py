"""The training loop: from batches of rows to draft checkpoints."""
