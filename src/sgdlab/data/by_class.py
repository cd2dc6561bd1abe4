"""Files that are sorted by class, in an order whose beginning is balanced over the classes.

First comes the first file of every class, then the second of each, and so on; a class that has no more is
left out. So the first so many examples have classes of equal size, give or take one, and a smaller subset is
part of every larger one, as where files are not sorted. No random generator is asked: versions of it differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice, zip_longest


def take_in_turns(classes: Sequence[Sequence[str]], count: int) -> list[tuple[str, int]]:
    """Return the first `count` files and their labels, the places of their classes."""
    labelled = ([(name, label) for name in names] for label, names in enumerate(classes))
    turns = chain.from_iterable(zip_longest(*labelled))
    return list(islice((file for file in turns if file is not None), count))
