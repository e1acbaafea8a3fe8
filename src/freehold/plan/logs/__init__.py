"""Other people's logs, read into one shape: gateway logs, provider usage exports, bills and traces; a file per format. Pure."""
