"""Ways to make a pack's updates: the same trajectories within rounding, at different speeds."""
