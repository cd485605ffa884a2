"""Triton kernels for CUDA, each with a PyTorch reference next to its caller; and the CPU's products (``products``)."""
