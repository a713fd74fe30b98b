"""Files of weights: read, verified, converted, pulled from a hub."""
