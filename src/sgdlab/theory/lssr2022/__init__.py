"""Checks of lssr2022, Implicitly regularized interaction between SGD and the loss landscape geometry."""
