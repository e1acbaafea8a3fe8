"""How much to own: windows of work, what spills, the cheapest mix, break-even, replicas by the hour."""
