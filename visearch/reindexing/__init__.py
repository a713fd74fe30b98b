"""Use case: a catalog gets another encoder while it is served.

reindex  embed what the new encoder lacks, compare, activate
compare  both encoders on the catalog's own pictures
"""
