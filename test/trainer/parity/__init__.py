"""Answers the tokenization tests of the TypeScript side with what transformers itself does."""
