"""Pure numbers: quasi-random draws, quantiles, seasonal series. No money, no traffic, no I/O."""
