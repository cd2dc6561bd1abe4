"""What an attempt leaves on disk for others to read; `attempts.Attempt` writes it.

An attempt removes its folder only after it has ended and is needed for nothing more. So a folder that isn't
there belongs to an attempt that ended in good order.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from sgdlab.runs.files import naming, replace
from sgdlab.runs.processes import Process

EndReason = Literal["finished", "released", "failed"]


@dataclass(frozen=True)
class Holder:
    """Who makes an attempt, and for which launching command: the content of each of its claims."""

    attempt: str
    session: str
    process: Process

    def to_json(self) -> bytes:
        """Write the holder as one flat object."""
        content = {"attempt": self.attempt, "session": self.session, **asdict(self.process)}
        return json.dumps(content).encode()

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read a claim, or None if there is none to be read."""
        try:
            content = json.loads(path.read_bytes())
            attempt, session = content.pop("attempt"), content.pop("session")
            process = Process(**content)
            words = (attempt, session, process.host, process.boot_id)
            numbers = (process.pid, process.pid_start)
            is_sound = all(isinstance(word, str) for word in words)
            is_sound &= all(isinstance(number, int) for number in numbers)
            return cls(attempt, session, process) if is_sound else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


@dataclass(frozen=True)
class AttemptFolder:
    """The folder of one attempt: `attempts/<attempt id>/`."""

    path: Path

    @property
    def holder_path(self) -> Path:
        """Who makes the attempt; the same content as in its claims."""
        return self.path / "holder.json"

    @property
    def claimed_path(self) -> Path:
        """The keys that the attempt holds, one a line."""
        return self.path / "claimed.txt"

    @property
    def heartbeat_path(self) -> Path:
        """A counter that moves while the attempt lives."""
        return self.path / "heartbeat"

    @property
    def news_path(self) -> Path:
        """What the attempt tells people of itself."""
        return self.path / "news.json"

    @property
    def manifest_path(self) -> Path:
        """What fixes the bits of the training."""
        return self.path / "manifest.json"

    @property
    def checkpoint_path(self) -> Path:
        """The latest checkpoint."""
        return self.path / "checkpoint.ckpt"

    @property
    def progress_path(self) -> Path:
        """Which runs the latest checkpoint holds, and how far they are."""
        return self.path / "progress.json"

    @property
    def log_path(self) -> Path:
        """What the attempt printed."""
        return self.path / "log.txt"

    @property
    def ended_path(self) -> Path:
        """The attempt's last word."""
        return self.path / "ended.json"

    def has_ended(self) -> bool:
        """Return whether the attempt has said its last word."""
        return self.ended_path.exists() or not self.path.exists()

    def release(self) -> None:
        """Say the last word for an attempt that couldn't: for whoever knows why it died, and that it died."""
        if not self.has_ended():
            with naming(self.path), suppress(FileNotFoundError):
                replace(self.ended_path, json.dumps({"reason": "released"}).encode())

    def read_heartbeat(self) -> int | None:
        """Return the counter, or None if there is none to be read."""
        try:
            return int(self.heartbeat_path.read_text())
        except (OSError, ValueError):
            return None

    def read_progress(self) -> dict[str, int]:
        """Return how many updates the latest checkpoint holds of each run; nothing where there is none."""
        progress = _read_object(self.progress_path) or {}
        return {key: updates for key, updates in progress.items() if isinstance(updates, int)}

    def read_claimed(self) -> list[str]:
        """Return the keys that the attempt has claimed; a torn last line counts for nothing."""
        try:
            lines = self.claimed_path.read_text(errors="replace").splitlines(keepends=True)
        except FileNotFoundError:
            return []
        return [line.strip() for line in lines if line.endswith("\n")]

    def read_manifest(self) -> dict[str, Any] | None:
        """Return the manifest, or None if there is none to be read."""
        return _read_object(self.manifest_path)


def _read_object(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
