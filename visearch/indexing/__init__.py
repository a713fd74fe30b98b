"""Use case: a file or a product → ledger items → pictures → embeddings → searchable.

    accept     the request's part: store the file, write the import's row
    plan       list the file's items into the ledger, cut them into chunks
    decode     one chunk: bytes → checked pictures → thumbnails and encoder pixels
    embed      one chunk: pixels → embeddings → products and images, searchable
    progress   counters, the terminal state, retries, what a dead worker left
    compaction the delta folded into the next index generation
    purge      what nobody needs any more

Each step is idempotent and short; workers call them, and so does ``visearch.Catalog``.
"""
