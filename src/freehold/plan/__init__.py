"""What to own and what to rent: economics, capacity and the traces they are worked out from. Pure, no I/O."""
