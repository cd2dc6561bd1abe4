"""What Hydra only accepts from this namespace: the sweeper of ``sgdlab train -m``, and the search path."""
