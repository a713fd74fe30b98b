"""Use case: a catalog gets another encoder while it is served.

reindex  embed the pictures that lack the new embedding, compare, activate
compare  two encoders on the catalog's own pictures
"""
