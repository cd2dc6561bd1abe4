"""What a command wants, beside what is stored already."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sgdlab.config.compose import Composer
from sgdlab.config.schema import Run
from sgdlab.runs.drift import refuse_drift
from sgdlab.runs.index import Index
from sgdlab.runs.indexed import IndexedRun, config_digest
from sgdlab.runs.result import DamagedRunError
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.spec import Sweep

_FILES_PER_RUN = 2  # result and curves
_RESULT_BYTES = 3_000
_CURVES_BYTES = 3_500  # of the archive, without its content
_BYTES_PER_EVALUATION = 45  # nine curves in float64, compressed
_CORRECTNESS_COPIES = 4  # bits of the test set, at four evaluations


@dataclass(frozen=True)
class Survey:
    """The distinct runs of one or more sweeps, and the state of each."""

    num_asked: int  # before runs that several grids share are counted once
    wanted: dict[str, Run]  # key → normalised configuration, in the order of the files
    stored: dict[str, IndexedRun]  # the published ones, done or diverged
    damaged: list[str]
    failed: list[str]
    missing: dict[str, Run] = field(repr=False)  # to be trained: neither stored, failed nor damaged

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
    wanted: dict[str, Run] = {}
    num_asked = 0
    for sweep in sweeps:
        for row in expand(sweep, composer):
            wanted.setdefault(row.key, row.run)
            num_asked += 1
    return survey_runs(wanted, store, num_asked)


def verify(found: Survey, store: Store) -> Survey:
    """Read the files of every stored run, which `survey` doesn't; count those that are damaged as such."""
    damaged = [key for key in found.stored if _is_damaged(key, store)]
    stored = {key: run for key, run in found.stored.items() if key not in damaged}
    return replace(found, stored=stored, damaged=[*found.damaged, *damaged])


def survey_runs(wanted: dict[str, Run], store: Store, num_asked: int) -> Survey:
    """Look up runs whose keys are known."""
    with Index(store) as index:
        indexed = index.lookup(wanted)
    damaged = [key for key, run in indexed.items() if run.state == "damaged"]
    stored = {key: run for key, run in indexed.items() if run.state != "damaged"}
    for key, run in stored.items():
        config = wanted[key].model_dump(mode="json")
        if run.config_digest != config_digest(config):
            refuse_drift(key, store.read_result(key).config, config)
    on_disk = store.state_on_disk(key for key in wanted if key not in indexed)
    failed = [key for key, state in on_disk.items() if state == "failed"]
    settled = {*indexed, *failed}
    missing = {key: run for key, run in wanted.items() if key not in settled}
    return Survey(num_asked, wanted, stored, damaged, failed, missing)


def _num_bytes(run: Run) -> int:
    num_evaluations = math.ceil(run.num_updates / run.evaluate_every_num_updates)
    correctness = _CORRECTNESS_COPIES * run.data.num_test // 8
    return _RESULT_BYTES + _CURVES_BYTES + _BYTES_PER_EVALUATION * num_evaluations + correctness


def _is_damaged(key: str, store: Store) -> bool:
    try:
        store.verify(key)
    except DamagedRunError:
        return True
    return False
