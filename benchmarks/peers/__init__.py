"""The gateway and its peers under one load, in turns: CPU of a request, latency they add, streams they hold."""
