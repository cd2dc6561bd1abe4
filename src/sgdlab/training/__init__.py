"""The population: K runs of equal shapes trained as one Lightning module."""
