"""Use case: a picture → its embedding → neighbours in a live index → products.

indexes   the live index of every catalog, kept in step with the database
service   one search from bytes to hits, each part timed
"""
