"""Redis: the connection, search jobs, workers' heartbeats, the state of the queues."""
