"""Table-like files: how they are read, what their columns mean, and the products they describe."""
