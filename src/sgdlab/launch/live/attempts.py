"""The attempts that go on, or were left off, in a store: looked at again and again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sgdlab.runs.attempt_folder import AttemptFolder, Holder
from sgdlab.runs.files import naming
from sgdlab.runs.news import News
from sgdlab.runs.observer import Observer
from sgdlab.runs.store import Store


@dataclass(frozen=True)
class AttemptSeen:
    """One attempt, as it looks now."""

    id: str
    state: Literal["training", "silent", "died", "ended"]  # ended: it said its last word
    holder: Holder
    silent_s: float
    keys: tuple[str, ...]  # that it has claimed, finished or not
    progress: Mapping[str, int]  # key → updates made, or left in a checkpoint where it doesn't train any more
    news: News | None
    log: str


@dataclass
class _Known:
    """What won't change any more."""

    holder: Holder
    last: AttemptSeen | None = None  # of one that said its last word


@dataclass
class AttemptsWatch:
    """Looks at the attempts of a store."""

    store: Store
    observer: Observer
    _known: dict[str, _Known] = field(default_factory=dict)

    def look(self) -> list[AttemptSeen]:
        """Return every attempt that has a folder, the oldest first.

        Raises
        ------
        StoreError
            If the store can't be read.
        """
        with naming(self.store.root):
            try:
                names = sorted(os.listdir(self.store.attempts))
            except FileNotFoundError:
                names = []
        self._known = {name: known for name in names if (known := self._known.get(name))}
        return list(self._look_at(names))

    def _look_at(self, names: list[str]) -> Iterator[AttemptSeen]:
        for name in names:
            folder = self.store.attempt(name)
            known = self._known.get(name)
            if known is None:
                holder = Holder.read(folder.holder_path)
                if holder is None:
                    continue  # about to begin, or about to be removed; or damaged, and nobody's any more
                known = self._known[name] = _Known(holder)
            if known.last is None:
                seen = self._judged(name, folder, known.holder)
                known.last = seen if seen.state == "ended" else None
            else:
                seen = known.last
            yield seen

    def _judged(self, name: str, folder: AttemptFolder, holder: Holder) -> AttemptSeen:
        judgement = self.observer.judge(name, holder)
        state: Literal["training", "silent", "died", "ended"]
        if judgement == "ended":
            state = "ended" if folder.has_ended() else "died"
        else:
            state = "training" if judgement == "alive" else "silent"
        news = News.read(folder.news_path)
        trains = state in ("training", "silent") and news is not None
        return AttemptSeen(
            id=name,
            state=state,
            holder=holder,
            silent_s=self.observer.silent_for(name) if judgement != "ended" else 0.0,
            keys=tuple(folder.read_claimed()),
            progress=news.updates_of if trains and news else folder.read_progress(),
            news=news,
            log=str(folder.log_path),
        )
