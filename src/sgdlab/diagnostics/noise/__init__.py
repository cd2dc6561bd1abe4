"""Noise of the gradient: its size at every batch size, its directions, and how it scatters."""
