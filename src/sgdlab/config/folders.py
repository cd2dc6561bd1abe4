"""Where configuration and sweep files lie: the user's own folders first, then the shipped ones."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_folder(name: Literal["conf", "sweeps"]) -> Path:
    """Return the folder inside the installed package, or the checkout's own."""
    installed = _PACKAGE / "shipped" / name
    return installed if installed.is_dir() else _PACKAGE.parents[1] / name


def search_folders(name: Literal["conf", "sweeps"]) -> list[Path]:
    """Return the folders to look in, first match wins: ``./conf`` (or ``./sweeps``), then the shipped one."""
    own, shipped = Path.cwd() / name, shipped_folder(name)
    return [own, shipped] if own.is_dir() and own.resolve() != shipped.resolve() else [shipped]
