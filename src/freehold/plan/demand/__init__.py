"""What is asked for: requests as columns, traces, hours of the day and week."""
