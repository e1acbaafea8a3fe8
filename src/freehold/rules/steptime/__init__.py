"""How long one step of an inference engine takes, from FLOPs, bytes and a few fitted efficiencies."""
