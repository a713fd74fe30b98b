"""Adapters of the database, the blob store and Redis."""
