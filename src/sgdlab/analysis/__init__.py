"""From stored runs to a verdict: protocol, optima, claims, the numbers of figures. Knows nothing of torch."""
