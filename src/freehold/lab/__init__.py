"""Stand-ins for the outside world: a rented API, an owned engine, replayed traffic. Everything they say is labelled lab."""
