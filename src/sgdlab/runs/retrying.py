"""Having failed runs tried again."""

from __future__ import annotations

from collections.abc import Iterable

from sgdlab.runs.store import Store


def clear_failed(store: Store, failed: Iterable[str], error: str = "") -> list[str]:
    """Clear those failed runs whose error has a text in it; return their keys. The next command trains them.

    Raises
    ------
    StoreError
        If the store can't be written.
    DamagedRunError
        If the file of a failure can't be read, and a text is asked for.
    """
    failures = {key: store.read_failure(key) for key in failed} if error else dict.fromkeys(failed)
    keys = [key for key, failure in failures.items() if not error or (failure and error in failure.error)]
    for key in keys:
        store.discard(key)
    return keys
