"""The data plane: HTTP in and out, targets, the request line, the ledger."""
