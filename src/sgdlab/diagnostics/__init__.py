"""Measurements on a model that leave no trace on its training."""
