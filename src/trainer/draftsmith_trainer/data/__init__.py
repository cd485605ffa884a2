"""Reads rows and images from shards, orders rows into batches, draws blocks, and decodes pictures ahead of use."""
