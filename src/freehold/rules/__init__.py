"""Pure decisions and the per-request formulas they need. No I/O."""
