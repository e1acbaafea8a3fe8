"""HTTP in and out: the only sockets of the data plane."""
