"""One workload on its way: the gate that says promote, roll back or continue, on what evidence."""
