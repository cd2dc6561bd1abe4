"""Checks of smith2021, On the Origin of Implicit Regularization in Stochastic Gradient Descent."""
