"""Freehold: a rent-to-own control plane for LLMs. Own the base, rent the peak."""

__version__ = "0.1.0"
