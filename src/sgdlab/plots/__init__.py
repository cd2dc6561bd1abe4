"""Panels of figures as plotly figures, for pages."""
