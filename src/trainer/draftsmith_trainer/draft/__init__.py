"""The draft: its config, layers, masks and heads, for training and for incremental inference."""
