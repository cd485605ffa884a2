"""Rows and images from shards, their order, the blocks drawn from them; pictures decoded ahead."""
