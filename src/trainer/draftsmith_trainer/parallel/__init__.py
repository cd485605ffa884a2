"""Where tensors are computed: the device, its number type, and this process's place among all."""
