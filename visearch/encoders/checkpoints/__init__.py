"""Files of weights: read, convert, verify, pull from a hub."""
