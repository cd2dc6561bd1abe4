"""What commands have worked out of configuration and sweep files, kept in the user's cache folder.

Composing and expanding a sweep of a hundred thousand runs takes seconds, and `sgdlab status` needs no more
of them than their keys. What is remembered is addressed by what was asked, and served only while the
`fingerprint` of everything it was worked out from is the same. A file that is damaged, truncated or gone is
not served; it costs the time to work it out again. Several processes may write at once: the last one wins.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sgdlab.machine.cache_folder import cache_folder
from sgdlab.runs.files import temporary
from sgdlab.sweeps.fingerprint import fingerprint

_FORMAT = "3"
_MOST_FILES = 100  # a hundred thousand runs take 3 MB
_DIGITS = 32  # of a key, and of the digest of a configuration
_BYTES = _DIGITS // 2


@dataclass(frozen=True)
class Inputs:
    """What something is worked out from, as it was before work began."""

    files: tuple[Path, ...]  # beside those in the folders of conf and of sweeps
    fingerprint: str | None

    @classmethod
    def now(cls, files: Sequence[Path] = ()) -> Inputs:
        """Take the fingerprint."""
        return cls(tuple(files), fingerprint(files))


@dataclass(frozen=True)
class SweepKeys:
    """The runs that one sweep asks for, in the order of its file; one that two grids share comes twice."""

    name: str
    keys: list[str] = field(default_factory=list)
    config_digests: list[str] = field(default_factory=list)  # see `sgdlab.config.identity`
    across_kinks: list[str] = field(default_factory=list)  # those that take finite differences with ReLU
    num_updates: array[int] = field(default_factory=lambda: array("q"))  # of each run
    in_rounds: bool = False  # outcomes decide which of them the protocol's rule for seeds asks for

    def digest_of(self) -> dict[str, str]:
        """Return key → digest, for each run once."""
        return dict(zip(self.keys, self.config_digests, strict=True))

    def updates_of(self) -> dict[str, int]:
        """Return key → parameter updates of the whole run, for each run once."""
        return dict(zip(self.keys, self.num_updates, strict=True))

    def to_bytes(self) -> bytes:
        """Write name, counts and rule on a line, then keys, digests, keys across kinks, and updates."""
        words = "".join((*self.keys, *self.config_digests, *self.across_kinks))
        header = json.dumps([self.name, len(self.keys), len(self.across_kinks), self.in_rounds])
        return header.encode() + b"\n" + bytes.fromhex(words) + self.num_updates.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> SweepKeys:
        """Read what `to_bytes` wrote."""
        header, _, packed = data.partition(b"\n")
        name, count, num_across, in_rounds = json.loads(header)
        end_of_words = (2 * count + num_across) * _BYTES
        digits, num_updates = packed[:end_of_words].hex(), array("q", packed[end_of_words:])
        words = [digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS)]
        return cls(name, words[:count], words[count : 2 * count], words[2 * count :], num_updates, in_rounds)


def recall(*asked: str, inputs: Inputs | None = None) -> bytes | None:
    """Return what was remembered of a question, if it would be worked out the same from `inputs`.

    Without them: from what lies on the disk now.
    """
    try:
        header, _, data = _path(asked).read_bytes().partition(b"\n")
        known = json.loads(header)
        is_whole = hashlib.sha256(data).hexdigest() == known["sha256"]
        today = inputs or Inputs.now([Path(file) for file in known["files"]])
        is_of_today = known["fingerprint"] == today.fingerprint
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return data if is_whole and is_of_today else None


def remember(inputs: Inputs, data: bytes, *asked: str) -> None:
    """Remember the answer to a question, unless what it was worked out from has changed meanwhile.

    A folder that can't be written is passed over.
    """
    if inputs.fingerprint is None or inputs.fingerprint != fingerprint(inputs.files):
        return
    header = {
        "files": [str(file) for file in inputs.files],
        "fingerprint": inputs.fingerprint,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    path = _path(asked)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with temporary(path) as name:
            name.write_bytes(json.dumps(header).encode() + b"\n" + data)
            os.replace(name, path)
        _forget_oldest(path.parent)


def _path(asked: Sequence[str]) -> Path:
    text = json.dumps([_FORMAT, str(Path.cwd()), *asked])
    return cache_folder() / "remembered" / hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _forget_oldest(folder: Path) -> None:
    """Keep the newest files; strays of killed writers are old some day, too."""
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[_MOST_FILES:]:
        path.unlink(missing_ok=True)
