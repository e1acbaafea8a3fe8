"""Second opinions on what a text holds: a file for each kind of adviser."""
