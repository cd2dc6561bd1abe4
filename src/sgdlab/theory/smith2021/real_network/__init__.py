"""The modified flow of SGD on a real network and real data."""
