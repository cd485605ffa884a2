"""Triton kernels for CUDA. Each has a plain PyTorch reference beside its caller; nothing here runs on a CPU."""
