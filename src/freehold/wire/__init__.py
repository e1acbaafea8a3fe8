"""Bytes to core values and back, one dialect per file. Pure: no sockets, no clock."""
