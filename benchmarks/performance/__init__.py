"""What `make bench` measures, how, and the page it writes; `benchmarks/bench.py` is its command."""
