"""How many replicas a trace needs: engines from the step-time model, the fewest that keep a promise, and what they cost."""
