"""Find and read sweep files: what they extend, the patch of a scale, the patch of each panel.

A file says everything once, at the paper's scale. `scales.NAME` is a patch over it; `scales.NAME.panels.NAME`
is a patch over that, one for each panel of the figure. `extends` names a file beside it that is patched by
this one. Values under `symbols` are read as ``${symbols.name}``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from yaml import YAMLError

from sgdlab.config.compose import Choices, Composer, Overrides
from sgdlab.config.folders import search_folders
from sgdlab.config.messages import explain
from sgdlab.errors import UsageError
from sgdlab.sweeps.spec import Sweep

_WHOLE_SWEEP = ("paper", "figure", "title", "notes", "protocol", "drawing", "claims")
_EACH_PANEL = ("base", "grids", "y_range")
_KEYS = {*_WHOLE_SWEEP, *_EACH_PANEL, "extends", "symbols", "scales"}
_SCALE_KEYS = {*_KEYS - {"extends", "scales"}, "panels", "default_panels"}
_PANEL_KEYS = {"title", "symbols", *_EACH_PANEL}


@dataclass(frozen=True)
class SweepFile:
    """A sweep file as found."""

    name: str  # smith2021/fig1b
    path: Path

    @property
    def shown(self) -> str:
        """The path as messages name it."""
        return str(Path("sweeps") / f"{self.name}.yaml")


def list_sweeps() -> Iterator[SweepFile]:
    """List every sweep, the user's own first; files whose name starts with ``_`` are only extended."""
    seen: set[str] = set()
    for folder in search_folders("sweeps"):
        for path in sorted(folder.rglob("*.yaml")):
            name = str(path.relative_to(folder).with_suffix(""))
            if not path.name.startswith("_") and name not in seen:
                seen.add(name)
                yield SweepFile(name, path)


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
        return SweepFile(path.stem, path)
    sweeps = {sweep.name: sweep for sweep in list_sweeps()}
    if name_or_path in sweeps:
        return sweeps[name_or_path]
    close = difflib.get_close_matches(name_or_path, sweeps, n=1, cutoff=0.3)
    meant = f"did you mean {close[0]}? " if close else ""
    raise UsageError(f"there is no sweep {name_or_path!r}; {meant}`sgdlab list` shows all of them")


@dataclass(frozen=True)
class Description:
    """What a listing shows of a sweep file."""

    name: str
    paper: str
    figure: str
    scales: list[str]
    title: str


def describe_sweeps() -> Iterator[Description]:
    """Describe every sweep file, without expanding it."""
    for sweep in list_sweeps():
        raw = _read(sweep.path, sweep.shown)
        scales = [str(name) for name in raw.get("scales", {})]
        yield Description(sweep.name, raw.get("paper"), raw.get("figure"), scales, raw.get("title"))


def load_sweep(sweep: SweepFile, scale: str, composer: Composer, overrides: Overrides) -> Sweep:
    """Merge a sweep file for one scale and apply what the command line overrides.

    An override of an axis replaces the axis; ``data=NAME`` picks the panel of that name where there is one;
    ``protocol.…`` changes the protocol; all else goes into every panel's base.

    Raises
    ------
    UsageError
        Naming the file and the key, if something in it is wrong or not there.
    """
    raw = _read(sweep.path, sweep.shown)
    scales = raw.pop("scales", OmegaConf.create({}))
    if scale not in scales:
        raise UsageError(f"{sweep.shown}: no scale {scale!r}; it has {', '.join(map(str, scales)) or 'none'}")
    patch = scales[scale] or OmegaConf.create({})
    _check_keys(patch, _SCALE_KEYS, f"{sweep.shown}: scales.{scale}")
    panels, defaults = patch.pop("panels", None), patch.pop("default_panels", None)
    merged = OmegaConf.merge(raw, patch)
    chosen = _choose_panels(panels, defaults, overrides, f"{sweep.shown}: scales.{scale}")

    whole = _resolve(merged, _WHOLE_SWEEP, sweep.shown)
    remaining = {key: value for key, value in overrides.items() if not (key == "data" and value in chosen)}
    protocol = {k.partition(".")[2]: remaining.pop(k) for k in list(remaining) if k.startswith("protocol.")}
    values: dict[str, Any] = {**whole, "name": sweep.name, "scale": scale, "panels": {}}
    values["protocol"] = {**whole.get("protocol", {}), **protocol}
    for name, panel_patch in chosen.items():
        panel = _resolve(OmegaConf.merge(merged, panel_patch), (*_EACH_PANEL, "title"), sweep.shown)
        if not panel_patch:
            panel["title"] = ""
        values["panels"][name] = _override_panel(panel, remaining, composer)
    try:
        return Sweep.model_validate(values)
    except ValidationError as error:
        raise UsageError(explain(error, Sweep, lambda _: sweep.shown)) from error


def _read(path: Path, shown: str) -> DictConfig:
    try:
        raw = OmegaConf.load(path)
    except (YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown}: not readable as YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise UsageError(f"{shown}: {error.strerror}") from error
    if not isinstance(raw, DictConfig):
        raise UsageError(
            f"{shown}: a sweep file is a mapping with paper, figure, base, grids, drawing, scales"
        )
    _check_keys(raw, _KEYS, shown)
    extends = raw.pop("extends", None)
    if extends is None:
        return raw
    below = path.parent / str(extends)
    if not below.is_file():
        raise UsageError(f"{shown}: extends names {extends}, and there is no such file beside it")
    merged = OmegaConf.merge(_read(below, f"{Path(shown).parent}/{extends}"), raw)
    assert isinstance(merged, DictConfig)
    return merged


def _check_keys(node: Any, known: set[str], where: str) -> None:
    for key in node:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            raise UsageError(f"{where}: {key} is not a key{meant}; known here: {', '.join(sorted(known))}")


def _choose_panels(panels: Any, defaults: Any, overrides: Overrides, where: str) -> dict[str, Any]:
    """Return the patches of the panels to draw; one empty patch where a scale has no panels."""
    if not panels:
        return {"main": OmegaConf.create({})}
    for name, patch in panels.items():
        _check_keys(patch, _PANEL_KEYS, f"{where}.panels.{name}")
    wanted = [overrides["data"]] if overrides.get("data") in panels else list(defaults or panels)
    for name in wanted:
        if name not in panels:
            raise UsageError(f"{where}.default_panels names {name!r}; panels: {', '.join(panels)}")
    return {str(name): panels[name] for name in wanted}


def _resolve(node: Any, keys: tuple[str, ...], shown: str) -> dict[str, Any]:
    try:
        return {key: _plain(node[key]) for key in keys if key in node}
    except OmegaConfBaseException as error:
        message = " ".join(str(error).split("full_key")[0].split())
        raise UsageError(f"{shown}: {message}; symbols are read as ${{symbols.name}}") from error


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _override_panel(panel: dict[str, Any], overrides: Overrides, composer: Composer) -> dict[str, Any]:
    axes = {axis for grid in panel.get("grids", {}).values() for axis in (grid or {}).get("axes", {})}
    base = dict(panel.get("base", {}))
    for key, value in overrides.items():
        if key in axes:
            for grid in panel["grids"].values():
                if key in grid.get("axes", {}):
                    grid["axes"][key] = list(value) if isinstance(value, Choices) else [value]
        elif isinstance(value, Choices):
            raise UsageError(
                f"{key} is no axis of this sweep: give one value; axes: {', '.join(sorted(axes))}"
            )
        else:
            if composer.is_choice(key):  # another option: the values set for the old one go
                base = {k: v for k, v in base.items() if not k.startswith(f"{key}.")}
            base[key] = value
    return {**panel, "base": base}
