"""Find sweep files: the user's own first, then those that come with the package."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sgdlab.config.folders import search_folders
from sgdlab.errors import UsageError


@dataclass(frozen=True)
class SweepFile:
    """A sweep file as found."""

    name: str  # smith2021/fig1b
    path: Path
    shown: str  # the path as messages name it


def list_sweeps() -> Iterator[SweepFile]:
    """List every sweep, the user's own first; files whose name starts with ``_`` are only extended."""
    seen: set[str] = set()
    for folder in search_folders("sweeps"):
        for path in sorted(folder.rglob("*.yaml")):
            name = str(path.relative_to(folder).with_suffix(""))
            if not path.name.startswith("_") and name not in seen:
                seen.add(name)
                yield SweepFile(name, path, f"sweeps/{name}.yaml")


def find_sweep(name_or_path: str) -> SweepFile:
    """Find a sweep by its name (smith2021/fig1b) or by the path of a file.

    Raises
    ------
    UsageError
        If there is none; the nearest name is given.
    """
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise UsageError(f"{name_or_path}: there is no such sweep file")
        listed = (sweep for sweep in list_sweeps() if sweep.path.samefile(path))
        return next(listed, SweepFile(path.stem, path, name_or_path))
    sweeps = {sweep.name: sweep for sweep in list_sweeps()}
    if name_or_path in sweeps:
        return sweeps[name_or_path]
    close = difflib.get_close_matches(name_or_path, sweeps, n=1, cutoff=0.3)
    meant = f"did you mean {close[0]}? " if close else ""
    raise UsageError(f"there is no sweep {name_or_path!r}; {meant}`sgdlab list` shows all of them")


def names_meant_by(argument: str) -> list[str]:
    """Return the names of all sweeps in a folder, such as a paper's; of anything else the argument itself."""
    within = [sweep.name for sweep in list_sweeps() if sweep.name.startswith(f"{argument.rstrip('/')}/")]
    return within or [argument]
