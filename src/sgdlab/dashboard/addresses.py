"""The addresses of pages: what is shown can be kept as a bookmark and sent to others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

SWEEPS = "/"
COMPARE = "/compare"


@dataclass(frozen=True)
class Place:
    """One point of a grid of a panel."""

    panel: str
    grid: str
    point: Mapping[str, Any]  # axis → value

    def to_text(self) -> str:
        """Write the place, for an address; numbers lose nothing."""
        return json.dumps([self.panel, self.grid, self.point], separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> Place | None:
        """Read a place; None if it isn't one."""
        try:
            panel, grid, point = json.loads(text)
        except (ValueError, TypeError):
            return None
        return cls(str(panel), str(grid), point) if isinstance(point, dict) else None


def sweep_address(name: str, place: Place | None = None) -> str:
    """Return the address of a sweep, or of one of its points."""
    return f"/sweep/{quote(name)}" + (point_search(place) if place else "")


def point_search(place: Place) -> str:
    """Return the part of an address that names a point."""
    return "?" + urlencode({"point": place.to_text()})


def run_address(key: str) -> str:
    """Return the address of a run."""
    return f"/run/{quote(key)}"


def compare_address(names: Iterable[str]) -> str:
    """Return the address of a comparison of sweeps."""
    return COMPARE + search_for(names)


def search_for(names: Iterable[str]) -> str:
    """Return the part of that address that names the sweeps."""
    return f"?{urlencode([('sweep', name) for name in names])}"


def sweep_named_by(path: str) -> str | None:
    """Return the sweep whose page a path is; None if it is another page."""
    return unquote(path.removeprefix("/sweep/")) if path.startswith("/sweep/") else None


def run_named_by(path: str) -> str | None:
    """Return the key of the run whose page a path is; None if it is another page."""
    return unquote(path.removeprefix("/run/")) if path.startswith("/run/") else None


def point_named_by(search: str) -> Place | None:
    """Return the point that an address names; None where it names none."""
    named = parse_qs(search.lstrip("?")).get("point")
    return Place.from_text(named[0]) if named else None


def sweeps_named_by(search: str) -> list[str]:
    """Return the sweeps that an address compares."""
    return list(dict.fromkeys(parse_qs(search.lstrip("?")).get("sweep", [])))
