"""Files of any kind: whole or not at all, one writer at a time."""
