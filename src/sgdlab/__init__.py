"""A laboratory for the implicit regularisation of SGD, run as sweeps."""

from importlib.metadata import version

__version__ = version("sgdlab")
