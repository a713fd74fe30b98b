"""Decoding in processes that may die: a picture takes none but its own decoder with it.

pool     a few decoders, and whose turn it is
process  one decoder, seen from the process that owns it
child    the program that a decoder runs
wire     what the two say to each other
"""
