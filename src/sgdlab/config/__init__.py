"""What a run is: its schema, how Hydra composes it, and the identity of its result."""
