"""Measurements against peers and limits in the same run; never part of the tests."""
