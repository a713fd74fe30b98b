"""Use case: a file or a product becomes ledger items, pictures, embeddings, searchable products.

accept     the request's part: store the file, write the import's row
plan       list the file's items into the ledger, cut them into chunks
decode     one chunk: bytes to checked pictures, thumbnails and encoder pixels
remote     pictures of a chunk that are named by URL
embed      one chunk: pixels to embeddings, products and images
retrying   what failed is tried again
thumbnails one that was lost is made again
progress   counters, the terminal state, retries
describe   what a chunk says about its products
reconcile  what the queue lost is sent again, what a dead worker held is given back

Each step is short and idempotent; workers call them, and so does ``visearch.Catalog``.
"""
