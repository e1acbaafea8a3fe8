"""The request line: read, admit, classify, decide, attempt, relay, settle, observe."""
