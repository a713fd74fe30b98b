"""How good an encoder is: retrieval metrics with intervals, robustness, a report to read.

The walk: ``material`` holds labelled pictures, ``protocol`` says who queries whom,
``ranking`` orders the gallery by similarity, ``metrics`` scores each query, ``bootstrap``
gives intervals, ``robustness`` edits the queries, ``study`` does all of it for one or two
encoders, and ``page`` writes what a person reads.
"""
