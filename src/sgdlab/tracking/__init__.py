"""Weights & Biases: stored runs become its runs."""
