"""Triton kernels for CUDA. Each has a PyTorch reference next to its caller; nothing here runs on a CPU."""
