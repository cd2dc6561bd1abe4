"""What goes on now: sweeps, workers, failures, read from the store again and again."""
