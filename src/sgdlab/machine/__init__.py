"""This machine: where its caches lie, what its processors are, and how fast they were found to be."""
