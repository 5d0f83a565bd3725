"""When the steps run; claims and leases."""
