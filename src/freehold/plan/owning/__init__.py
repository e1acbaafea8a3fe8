"""What owned replicas cost and carry: terms, machines, people, a first-cut pace."""
