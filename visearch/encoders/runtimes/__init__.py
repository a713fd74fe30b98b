"""Runtimes: what runs an encoder's network. XLA on accelerators, an engine made for CPUs there."""
