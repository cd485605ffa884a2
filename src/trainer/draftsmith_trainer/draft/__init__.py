"""The draft: its config, layers and masks, for training and for incremental inference."""
