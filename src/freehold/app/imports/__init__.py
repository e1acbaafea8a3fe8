"""Importing files of somebody else's log into the ledger: reading the disk, keeping what the pure parsers find."""
