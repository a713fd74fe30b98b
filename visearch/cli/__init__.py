"""The command line: ``visearch …``."""
