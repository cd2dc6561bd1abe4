"""Gradient noise and curvature of stored models."""
