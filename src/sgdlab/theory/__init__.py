"""The papers' formulas and their numerical checks."""
