"""The HTTP server: waitress, with limits for clients that are slow, many or too large.

One thread holds every connection. It receives each request whole before a worker thread takes
it, and sends what of the answer the client has not read yet; so a slow client holds a socket and
no thread. ``docs/decisions/0013-waitress.md`` says why.
"""
