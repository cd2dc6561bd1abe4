"""Data sets as tensors, and the way of an example from there to the network."""
