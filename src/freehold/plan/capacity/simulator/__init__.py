"""Discrete-event simulation of owned replicas under a trace: what waits, what spills, how busy they are, inside which SLO.

`simulate.py` is the way in. Between an arrival and the next finish all decode steps are alike, so they are taken at once: the
work of a request grows with the logarithm of the batch, not with its tokens. Below it: `batch` (one engine), `loop` (all of
them), `routing` (the spill rule), `prefixes`, `finishes` and `memory` (what an engine keeps), `law` (the time of a step).
"""
