"""The training loop, and the state, checkpoints and evaluations around it."""
