"""Rows and images from shards, their order, the blocks drawn from them, and the cache of target states."""
