"""The arithmetic of a worker process, for tests too: set before anything multiplies (see launch/local.py)."""

import os

os.environ.setdefault("MKL_CBWR", "AVX2")
