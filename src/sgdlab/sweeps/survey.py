"""What a command wants, beside what is stored already.

What became of a run is told by its folder: `Index` knows what was published, and looks at every file for
changes without opening it. A *census* needs the keys of the runs only; a *survey* knows the runs themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from sgdlab.config.identity import ConfigDigests
from sgdlab.config.landscape import METRICS, MeasuredLandscape
from sgdlab.config.schema import Run
from sgdlab.runs.drift import refuse_drift
from sgdlab.runs.index import Index, Outcome
from sgdlab.runs.result import DamagedRunError
from sgdlab.runs.store import Store

if TYPE_CHECKING:
    from sgdlab.config.compose import Composer
    from sgdlab.sweeps.spec import Sweep

C = TypeVar("C", bound="Census")

_FILES_PER_RUN = 2  # result and curves
_RESULT_BYTES = 3_000
_CURVES_BYTES = 3_500  # of the archive, without its content
_BYTES_PER_EVALUATION = 45  # nine curves in float64, compressed
_BYTES_PER_CURVE = (
    300  # of the landscape: its place in the archive, its best and its last value in the result
)
_BYTES_PER_VALUE = 8  # of such a curve: noise can't be compressed
_CORRECTNESS_COPIES = 4  # bits of the test set, at four evaluations


@dataclass(frozen=True)
class Census:
    """What became of each of the runs that are wanted, by their keys."""

    stored: dict[str, Outcome]  # the published ones, done or diverged
    damaged: list[str]
    failed: list[str]
    claimed: list[str]  # those of the missing that somebody has begun
    missing: Collection[str] = field(repr=False)  # to be trained: neither stored, failed nor damaged


@dataclass(frozen=True)
class Survey(Census):
    """The distinct runs of one or more sweeps, and the state of each."""

    missing: dict[str, Run] = field(repr=False)
    wanted: dict[str, Run]  # key → normalised configuration, in the order of the files
    num_asked: int  # before runs that several grids share are counted once

    @property
    def num_updates_missing(self) -> int:
        """Parameter updates still to be made, over all runs."""
        return sum(run.num_updates for run in self.missing.values())

    @property
    def num_bytes(self) -> int:
        """A rough estimate of what the missing runs will add to the store."""
        return sum(_num_bytes(run) for run in self.missing.values())

    @property
    def num_files(self) -> int:
        """Files that the missing runs will add to the store."""
        return len(self.missing) * _FILES_PER_RUN


def survey(sweeps: Iterable[Sweep], composer: Composer, store: Store) -> Survey:
    """Expand the sweeps and look every run up.

    Raises
    ------
    DriftError
        If a stored run has the key of a wanted one but another configuration.
    """
    from sgdlab.sweeps.expand import expand  # Hydra: a census goes without it

    wanted: dict[str, Run] = {}
    num_asked = 0
    for sweep in sweeps:
        for row in expand(sweep, composer):
            wanted.setdefault(row.key, row.run)
            num_asked += 1
    return survey_runs(wanted, store, num_asked)


def survey_runs(
    wanted: dict[str, Run],
    store: Store,
    num_asked: int,
    config_digests: Mapping[str, str] | None = None,
) -> Survey:
    """Look up runs whose keys are known, and perhaps their digests; raises as `survey` does."""
    if config_digests is None:
        digests = ConfigDigests()
        config_digests = {key: digests.of(run) for key, run in wanted.items()}
    census = take_census(config_digests, store, config_of=lambda key: wanted[key].model_dump(mode="json"))
    missing = {key: wanted[key] for key in census.missing}
    return Survey(census.stored, census.damaged, census.failed, census.claimed, missing, wanted, num_asked)


def take_census(
    wanted: Mapping[str, str], store: Store, config_of: Callable[[str], Mapping[str, Any]]
) -> Census:
    """Tell what became of runs, given as key → digest; `config_of` is asked where a stored one has another.

    Raises
    ------
    DriftError
        If a stored run has the key of a wanted one but another configuration.
    """
    with Index(store) as index:
        outcomes = index.outcomes(wanted)
        damaged = [key for key, outcome in outcomes.items() if outcome.state == "damaged"]
        stored = {key: outcome for key, outcome in outcomes.items() if outcome.state != "damaged"}
        differing = {
            key: wanted[key] for key, outcome in stored.items() if outcome.config_digest != wanted[key]
        }
        for key in differing:
            refuse_drift(key, store.read_result(key).config, config_of(key))
        index.accept(differing)
    on_disk = store.state_on_disk(key for key in wanted if key not in outcomes)
    failed = [key for key, state in on_disk.items() if state == "failed"]
    claimed = [key for key, state in on_disk.items() if state == "claimed"]
    missing = [key for key, state in on_disk.items() if state != "failed"]
    return Census(stored, damaged, failed, claimed, missing)


def restricted(found: C, keys: Collection[str], num_asked: int) -> C:
    """Return a census or survey of some of the runs only."""
    if isinstance(found, Survey):
        missing: Any = {key: run for key, run in found.missing.items() if key in keys}
        wanted = {key: run for key, run in found.wanted.items() if key in keys}
        found = replace(found, wanted=wanted, num_asked=num_asked)
    else:
        missing = [key for key in found.missing if key in keys]
    return replace(
        found,
        stored={key: outcome for key, outcome in found.stored.items() if key in keys},
        damaged=[key for key in found.damaged if key in keys],
        failed=[key for key in found.failed if key in keys],
        claimed=[key for key in found.claimed if key in keys],
        missing=missing,
    )


def verified(found: C, store: Store) -> C:
    """Read every file of every stored run; count as damaged also those that changed without a trace."""
    damaged = {key for key in found.stored if _is_damaged(key, store)}
    stored = {key: outcome for key, outcome in found.stored.items() if key not in damaged}
    return replace(found, stored=stored, damaged=[*found.damaged, *damaged])


def _num_bytes(run: Run) -> int:
    num_evaluations = math.ceil(run.num_updates / run.evaluate_every_num_updates)
    correctness = _CORRECTNESS_COPIES * run.data.num_test // 8
    num_bytes = _RESULT_BYTES + _CURVES_BYTES + _BYTES_PER_EVALUATION * num_evaluations + correctness
    if isinstance(run.landscape, MeasuredLandscape):
        num_curves = sum(len(METRICS[quantity]) for quantity in run.landscape.quantities)
        num_bytes += num_curves * (_BYTES_PER_CURVE + _BYTES_PER_VALUE * num_evaluations)
    return num_bytes


def _is_damaged(key: str, store: Store) -> bool:
    try:
        store.verify(key)
    except DamagedRunError:
        return True
    return False
