"""Moving a workload between rented and owned: what shows that it may move, and what takes it back. Never imports `serve`."""
