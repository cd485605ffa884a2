"""Runs the trainer's tests with each supported release of transformers."""
