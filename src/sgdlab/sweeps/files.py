"""Read sweep files: what they extend, the patch of a scale, the patch of each panel.

A file says everything once, at the paper's scale. `scales.NAME` is a patch over it; `scales.NAME.panels.NAME`
is a patch over that, one for each panel of the figure. `extends` names a file beside it that is patched by
this one, or several, each of which is patched by the next. Values under `symbols` are read as
``${symbols.name}``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

from sgdlab.config.compose import Choices, Composer, Overrides
from sgdlab.config.messages import explain, nearest
from sgdlab.errors import UsageError
from sgdlab.sweeps.finding import SweepFile, list_sweeps
from sgdlab.sweeps.measured import refuse_unmeasured
from sgdlab.sweeps.overriding import override_panel
from sgdlab.sweeps.raw import EACH_PANEL, WHOLE_SWEEP, merge, read_raw, resolve
from sgdlab.sweeps.spec import Sweep


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
    return map(describe_sweep, list_sweeps())


def describe_sweep(sweep: SweepFile) -> Description:
    """Describe a sweep file, without expanding it."""
    raw = read_raw(sweep.path, sweep.shown)
    scales = [str(name) for name in raw.get("scales", {})]
    texts = resolve(raw, ("paper", "figure", "title"), sweep.shown)
    paper, figure, title = (str(texts.get(key, "")) for key in ("paper", "figure", "title"))
    return Description(sweep.name, paper, figure, scales, title)


def scales_of(sweep: SweepFile) -> list[str]:
    """Return the scales that a sweep file has."""
    return [str(name) for name in read_raw(sweep.path, sweep.shown).get("scales", {})]


def load_sweep(sweep: SweepFile, scale: str, composer: Composer, overrides: Overrides) -> Sweep:
    """Merge a sweep file for one scale and apply what the command line overrides.

    ``data=NAME`` picks the panel of that name, ``data=A,B`` several; an option that no panel is named after
    gets a panel of its own, of what the others share. ``protocol.…`` changes the protocol; how everything
    else is applied, `override_panel` says.

    Raises
    ------
    UsageError
        Naming the file and the key, if something in it is wrong or not there.
    """
    raw = read_raw(sweep.path, sweep.shown)
    scales = raw.pop("scales", {})
    if scale not in scales:
        raise UsageError(f"{sweep.shown}: no scale {scale!r}; it has {', '.join(map(str, scales)) or 'none'}")
    known_panels = {"main", *_names_of_panels(scales)}
    patch = scales[scale] or OmegaConf.create({})
    panels, defaults = patch.pop("panels", {}), patch.pop("default_panels", None)
    shared = merge(sweep.shown, raw, patch)
    whole = resolve(shared, WHOLE_SWEEP, sweep.shown)
    shared.pop("title", None)  # a panel has its own

    protocol = {key: value for key, value in overrides.items() if key.startswith("protocol.")}
    about_runs = {key: value for key, value in overrides.items() if key not in protocol}
    chosen = _choose_panels(panels, defaults, overrides.get("data"), f"{sweep.shown}: scales.{scale}")
    values = {
        **whole,
        "name": sweep.name,
        "source": " with ".join(filter(None, [sweep.shown, _shown(about_runs)])),
        "scale": scale,
        "protocol": whole.get("protocol", {}) | {key.partition(".")[2]: v for key, v in protocol.items()},
        "panels": {name: _panel_of(name, shared, panel, sweep.shown) for name, panel in chosen.items()},
    }
    try:
        read = Sweep.model_validate(values)
    except ValidationError as error:
        text = explain(error, Sweep, lambda key: "command line" if _touches(protocol, key) else sweep.shown)
        raise UsageError(text.replace("panels.main.", "")) from error  # the file itself has no such level
    _refuse_unknown_panels(read, known_panels, sweep.shown)

    overridden = {}
    for name, read_panel in read.panels.items():
        own = dict(about_runs)
        if panels:
            own.pop("data", None)
        if panels and name not in panels:
            own["data"] = name
        overridden[name] = override_panel(read_panel, own, composer)
    sweep_as_asked = read.model_copy(update={"panels": overridden})
    refuse_unmeasured(sweep_as_asked, composer)
    return sweep_as_asked


def _choose_panels(panels: Any, defaults: Any, data: Any, where: str) -> dict[str, Any]:
    """Return the patches of the panels to draw; one empty patch where a scale has no panels."""
    if not panels:
        return {"main": {}}
    if data is not None:
        wanted = map(str, data if isinstance(data, Choices) else [data])
        return {name: panels.get(name, {}) for name in wanted}
    for name in defaults or ():
        if name not in panels:
            raise UsageError(f"{where}.default_panels names {name!r}; panels: {', '.join(panels)}")
    return {str(name): panels[name] for name in defaults or panels}


def _panel_of(name: str, shared: DictConfig, patch: Any, shown: str) -> dict[str, Any]:
    title = "" if name == "main" else name
    return {"title": title, **resolve(merge(shown, shared, patch), (*EACH_PANEL, "title"), shown)}


def _names_of_panels(scales: Any) -> Iterator[str]:
    for patch in scales.values():
        yield from map(str, (patch or {}).get("panels", {}))


def _refuse_unknown_panels(sweep: Sweep, known: set[str], shown: str) -> None:
    """A claim may speak of a panel that another scale has, or that this command leaves out."""
    for index, claim in enumerate(sweep.claims):
        for name in claim.panels or ():
            if name not in known:
                text = f"{shown}: claims[{index}].panels names {name!r}, which no scale has"
                raise UsageError(f"{text}{nearest(name, known)}")


def _touches(overrides: Overrides, key: str) -> bool:
    return any(f"{overridden}.".startswith(f"{key}.") for overridden in overrides)


def _shown(overrides: Overrides) -> str:
    return " ".join(
        f"{key}={','.join(map(str, value)) if isinstance(value, Choices) else value}"
        for key, value in overrides.items()
    )
