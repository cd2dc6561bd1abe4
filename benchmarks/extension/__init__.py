"""The extension of grids, tried on curves whose optimum is known."""
