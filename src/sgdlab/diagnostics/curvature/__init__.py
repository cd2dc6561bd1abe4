"""Curvature of an empirical risk: products, eigenpairs, trace, spectral density, interaction with SGD."""
