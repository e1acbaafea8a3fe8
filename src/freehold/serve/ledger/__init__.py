"""Entries become durable here, and every view of them is read here."""
