"""What is in this box: GPUs detected by their driver, or known by name."""
