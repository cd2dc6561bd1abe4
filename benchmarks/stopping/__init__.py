"""Sweeps whose truth is known, whose seeds are added in rounds or withheld by halving; nothing is trained."""
