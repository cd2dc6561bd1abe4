"""Curvature beside PyHessian, and beside curvlinops with SciPy."""
