"""Use case: maintenance beside searching and importing.

compaction  the delta folded into the next index generation
refused     generations that a worker could not open, checked where they are stored
duplicates  pictures of different products that look the same
purge       what nobody needs any more
backup      a consistent copy while everything runs; what it says of itself is in sums
restore     the way back, and in proof the searches that show it
"""
