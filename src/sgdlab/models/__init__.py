"""Networks, written once for a whole pack: axis 0 of every tensor is the run."""
