"""Finite differences as estimators of the modified loss's gradient: measurements, pictures, numbers."""
