"""From stored runs to a verdict: the protocol, optima, claims and figures. Knows nothing of torch."""
