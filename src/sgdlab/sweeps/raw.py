"""A sweep file as it is written: YAML, what it extends, its keys, and what kind of value each of them has."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sgdlab.config.messages import nearest
from sgdlab.errors import UsageError

WHOLE_SWEEP = ("paper", "figure", "title", "notes", "protocol", "drawing", "claims", "extend")
EACH_PANEL = ("base", "grids", "x_range", "y_range")

_KEYS = {*WHOLE_SWEEP, *EACH_PANEL, "extends", "symbols", "scales"}
_SCALE_KEYS = {*_KEYS - {"extends", "scales"}, "panels", "default_panels"}
_PANEL_KEYS = {"title", "symbols", *EACH_PANEL}
_MAPPINGS = {"symbols", "base", "grids", "protocol", "drawing", "scales", "panels"}
_LISTS = {"notes", "claims", "default_panels"}


def read_raw(path: Path, shown: str) -> DictConfig:
    """Read a sweep file over those that it extends; `shown` is what messages call it.

    Raises
    ------
    UsageError
        Naming the file, if it can't be read, or a key isn't known or doesn't hold what it should.
    """
    return _read_over_extended(path, shown, ())


def files_read(path: Path, shown: str) -> list[Path]:
    """Return the files that `read_raw` reads; raises as it does, but for what is wrong inside of them."""
    files: list[Path] = []
    unread = [(path, shown)]
    while unread:
        path, shown = unread.pop()
        if path.is_file() and path.resolve() not in files:
            files.append(path.resolve())
            unread += [_beside(path, shown, name) for name in _extended(_load(path, shown))]
    return files


def merge(shown: str, below: DictConfig, *patches: Any) -> DictConfig:
    """Merge patches over a part of a sweep file: mappings key by key, everything else as a whole."""
    try:
        merged = OmegaConf.merge(below, *patches)
    except OmegaConfBaseException as error:
        raise UsageError(f"{shown}: {_one_line(error)}") from error
    assert isinstance(merged, DictConfig)
    return merged


def resolve(node: DictConfig, keys: Iterable[str], shown: str) -> dict[str, Any]:
    """Return those of the keys that are there, as plain values, with symbols filled in."""
    try:
        return {key: _plain(node[key]) for key in keys if key in node}
    except OmegaConfBaseException as error:
        text = f"{shown}: {_one_line(error)}; symbols are read as ${{symbols.name}}"
        raise UsageError(text) from error


def _read_over_extended(path: Path, shown: str, above: tuple[Path, ...]) -> DictConfig:
    raw = _load(path, shown)
    _check(OmegaConf.to_container(raw), _KEYS, shown)
    _check_scales(OmegaConf.to_container(raw), shown)
    trail = (*above, path.resolve())
    parts = []
    for name in _extended(raw):
        below, below_shown = _beside(path, shown, name)
        if not below.is_file():
            raise UsageError(f"{shown}: extends names {name}, and there is no such file beside it")
        if below.resolve() in trail:
            raise UsageError(f"{shown}: extends names {name}, which extends this file in turn")
        parts.append(_read_over_extended(below, below_shown, trail))
    raw.pop("extends", None)
    return merge(shown, *parts, raw)


def _extended(raw: DictConfig) -> list[str]:
    """Return the names of the files that a file extends, the lowest first."""
    named = OmegaConf.to_container(raw).get("extends")  # type: ignore[union-attr]
    return [] if named is None else [str(name) for name in (named if isinstance(named, list) else [named])]


def _beside(path: Path, shown: str, name: str) -> tuple[Path, str]:
    """Return the path of a file beside another one, and what messages call it."""
    return path.parent / name, str(Path(shown).parent / name)


def _load(path: Path, shown: str) -> DictConfig:
    try:
        raw = copy.deepcopy(_parse(path.read_text(encoding="utf-8")))
    except (YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
        raise UsageError(f"{shown}: not readable as YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise UsageError(f"{shown}: {error.strerror}") from error
    if not isinstance(raw, DictConfig):
        raise UsageError(
            f"{shown}: a sweep file is a mapping with paper, figure, base, grids, drawing, scales"
        )
    return raw


@lru_cache(maxsize=256)
def _parse(content: str) -> DictConfig | ListConfig:
    """Parse YAML, once: several sweeps extend one file, and a command reads each of them a few times."""
    return OmegaConf.load(io.StringIO(content))


def _check_scales(content: Any, shown: str) -> None:
    for scale, patch in content.get("scales", {}).items():
        where = f"{shown}: scales.{scale}"
        if patch is None:  # a scale that changes nothing
            continue
        _check(patch, _SCALE_KEYS, where)
        for panel, panel_patch in patch.get("panels", {}).items():
            _check(panel_patch, _PANEL_KEYS, f"{where}.panels.{panel}")


def _check(content: Any, known: set[str], where: str) -> None:
    """Refuse keys that aren't known, and values that aren't mappings or lists where they should be."""
    if not isinstance(content, Mapping):
        raise UsageError(f"{where} must be a mapping; its keys: {', '.join(sorted(known))}")
    for key, value in content.items():
        if key not in known:
            raise UsageError(f"{where}: {key} is not a key{nearest(str(key), known)}")
        if key in _MAPPINGS and not isinstance(value, Mapping):
            raise UsageError(f"{where}: {key} must be a mapping of names to values, and is {value!r}")
        if key in _LISTS and not isinstance(value, list):
            raise UsageError(f"{where}: {key} must be a list, and is {value!r}")


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split("full_key")[0].split())
