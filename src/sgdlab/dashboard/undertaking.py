"""What a command has trained, round by round: what is missing, then what an extension of the grids adds.

The sweeps are kept as they were when the command was given. So the last job of a submission goes on with
what was asked for, whatever has become of the sweep files meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sgdlab.config.compose import Composer
from sgdlab.config.execution import Execution
from sgdlab.config.schema import Run
from sgdlab.dashboard.grid_extension import add_rounds
from sgdlab.dashboard.live_run import contexts_of
from sgdlab.dashboard.wandb_export import SweepContext
from sgdlab.errors import UserError
from sgdlab.runs.files import naming, replace
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import expand_noting
from sgdlab.sweeps.extension import extend_sweep, read_record
from sgdlab.sweeps.remembered import SweepKeys
from sgdlab.sweeps.spec import Sweep
from sgdlab.sweeps.survey import Survey, survey_runs

_FILE = "undertaking.json"


@dataclass(frozen=True)
class Undertaking:
    """The sweeps of a command, and which of them are extended until no optimum touches an edge."""

    titles: tuple[str, ...]  # "smith2021/fig1b @ laptop", for people
    sweeps: tuple[Sweep, ...]  # without what extensions have added
    extended: frozenset[str]  # names of sweeps

    @property
    def to_extend(self) -> list[Sweep]:
        """Those of the sweeps that are extended."""
        return [sweep for sweep in self.sweeps if sweep.name in self.extended]

    def write(self, folder: Path) -> None:
        """Write it down in a submission's folder; nothing where there is nothing to extend."""
        if not self.extended:
            return
        content = {
            "titles": self.titles,
            "sweeps": [sweep.model_dump(mode="json") for sweep in self.sweeps],
            "extended": sorted(self.extended),
        }
        with naming(folder):
            replace(folder / _FILE, json.dumps(content).encode())

    @classmethod
    def read(cls, folder: Path) -> Undertaking | None:
        """Read what `write` wrote; None where there is nothing to extend.

        Raises
        ------
        UserError
            If the file can't be read.
        """
        path = folder / _FILE
        try:
            content = json.loads(path.read_bytes())
            sweeps = tuple(Sweep.model_validate(sweep) for sweep in content["sweeps"])
            return cls(tuple(content["titles"]), sweeps, frozenset(content["extended"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise UserError(f"{path}: not readable ({error}); `sgdlab extend` goes on") from error


def undertake(
    undertaking: Undertaking,
    found: Survey,
    contexts: Mapping[str, SweepContext],
    execution: Execution,
    store: Store,
    composer: Composer,
) -> Survey:
    """Have what a survey found missing trained, extend the grids, and so on; return the last survey.

    On a cluster it returns once jobs are submitted: the last of them goes on. Raises as `carry_out` does.
    """
    from sgdlab.dashboard.carry_out import carry_out  # its jobs know of undertakings

    while True:
        is_trained = carry_out(undertaking.titles, found, contexts, execution, store, undertaking)
        if not undertaking.extended or (found.missing and not is_trained):
            return found
        add_rounds(undertaking.to_extend, store, composer)
        found, contexts = survey_of(undertaking, store, composer)
        if not found.missing:
            return found


def survey_of(
    undertaking: Undertaking, store: Store, composer: Composer
) -> tuple[Survey, dict[str, SweepContext]]:
    """Look up all runs, those that extensions have added included, and say where each belongs."""
    wanted: dict[str, Run] = {}
    asked = []
    for sweep in _with_records(undertaking.sweeps, store):
        known = SweepKeys(sweep.name)
        for row in expand_noting(sweep, composer, known):
            wanted.setdefault(row.key, row.run)
        asked.append((sweep, known))
    num_asked = sum(len(known.keys) for _, known in asked)
    return survey_runs(wanted, store, num_asked), contexts_of(asked)


def _with_records(sweeps: Iterable[Sweep], store: Store) -> Iterable[Sweep]:
    for sweep in sweeps:
        yield extend_sweep(sweep, read_record(store, sweep.name, sweep.scale).points).sweep
