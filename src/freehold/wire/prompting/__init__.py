"""Prompt variants put into a caller's request, in each dialect that has prompts. Pure: raw fields in, raw fields out."""
