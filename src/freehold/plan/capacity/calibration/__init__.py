"""A real engine's own constants, fitted to measured requests and checked on loads that the fit never saw.

`timings` is what was measured, `kinds` puts like with like, `law` has the constants, `slots` the engine under a load by them,
`fit` finds them, `check` says how far off they are. How it goes together: docs/guides/calibrate.md.
"""
