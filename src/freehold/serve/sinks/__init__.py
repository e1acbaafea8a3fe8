"""Where finished entries are also shown; a sink can fail without failing a request."""
