"""The vocabulary every other room speaks: values, errors and the ports things plug into. No I/O."""
