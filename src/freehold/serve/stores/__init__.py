"""Where rows are kept, one file a database."""
