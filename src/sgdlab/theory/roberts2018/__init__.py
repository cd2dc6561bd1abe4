"""Checks of roberts2018, SGD Implicitly Regularizes Generalization Error."""
