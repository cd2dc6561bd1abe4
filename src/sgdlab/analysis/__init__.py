"""From stored runs to a verdict: the protocol, optima, claims, what a figure draws. Knows nothing of torch."""
