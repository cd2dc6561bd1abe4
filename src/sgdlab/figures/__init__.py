"""Figures of a paper: series drawn with matplotlib, as PNG, PDF and SVG."""
