"""Settings, wiring, admin, dashboard and the command line. Knows everyone, known by no one."""
