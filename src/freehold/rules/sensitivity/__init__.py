"""Sensitivity found in a request: what kinds of data its text holds, which class that demands, and redaction both ways."""
