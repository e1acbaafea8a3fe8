"""Audits of published cost claims: does the figure follow from its own inputs, and can the hardware do it at all?"""
