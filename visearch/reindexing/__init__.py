"""Use case: a catalog gets another encoder while it is served.

reindex  embed the pictures that lack the new embedding, compare, activate
mend     embed again what was damaged
compare  two encoders on the catalog's own pictures
stored   a picture read back from the store, and decoded again
"""
