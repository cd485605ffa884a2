"""Where tensors are computed: the device, the dtype, and this process's rank among all processes."""
