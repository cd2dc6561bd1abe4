"""The live view in a terminal: `sgdlab watch`."""
