"""Sessions that other servers keep for this one."""
