"""Numerical checks of the papers' equations: each measures what an equation says, and says what came out."""
