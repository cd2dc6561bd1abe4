"""What a command is asked for: sweeps, and overrides in Hydra's grammar, in any order."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from sgdlab.config.execution import Execution
from sgdlab.errors import UsageError, UserError
from sgdlab.launch.live.outcomes import SweepLook
from sgdlab.runs.store import Store
from sgdlab.sweeps.extension import Record, extend_sweep, read_record
from sgdlab.sweeps.finding import find_sweep, names_meant_by
from sgdlab.sweeps.remembered import Inputs, SweepKeys, recall, remember
from sgdlab.sweeps.survey import Census, Survey, survey_runs, take_census

if TYPE_CHECKING:  # they need Hydra, and a command that finds its answer remembered goes without it
    from sgdlab.config.compose import Composer, Overrides
    from sgdlab.config.schema import Run
    from sgdlab.sweeps.expand import WantedRun
    from sgdlab.sweeps.extension import ExtendedSweep
    from sgdlab.sweeps.spec import Sweep

C = TypeVar("C", bound=Census)

_SWEEPS = "Names or files of sweeps, or a folder of them such as smith2021; and overrides."

Arguments = Annotated[
    list[str],
    typer.Argument(
        metavar="SWEEP... [KEY=VALUE...]",
        help=_SWEEPS,
    ),
]
OptionalArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SWEEP...] [KEY=VALUE...]",
        help=_SWEEPS,
    ),
]
Scale = Annotated[str, typer.Option(help="Which scale of the sweep file: paper, laptop, …")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


class Request:
    """Sweeps at one scale, how their runs are carried out, and where they are stored.

    Each is worked out when it is first asked for, and raises UsageError if a sweep or a key isn't there, or a
    value isn't allowed. Which runs a sweep asks for is remembered for the next command.
    """

    def __init__(self, arguments: Sequence[str], scale: str, stack: ExitStack) -> None:
        named = [argument for argument in arguments if "=" not in argument]
        self._names = list(dict.fromkeys(name for argument in named for name in _names_at(argument, scale)))
        if not self._names:
            raise UsageError("which sweep? Name one or more; `sgdlab list` shows all of them")
        overrides = [argument for argument in arguments if "=" in argument]
        self._carried_out = [text for text in overrides if _is_about_execution(text)]
        self._about_runs = [text for text in overrides if not _is_about_execution(text)]
        self._scale = scale
        self._stack = stack
        self._keys: dict[int, SweepKeys] = {}  # place among the sweeps → what was worked out

    @property
    def scale(self) -> str:
        """The scale of all of them."""
        return self._scale

    @property
    def named(self) -> list[str]:
        """How the command named each of the sweeps: by name or file."""
        return list(self._names)

    @property
    def about_execution(self) -> list[str]:
        """What is overridden of how runs are carried out."""
        return list(self._carried_out)

    @cached_property
    def composer(self) -> Composer:
        """Hydra."""
        from sgdlab.config.compose import open_composer

        return self._stack.enter_context(open_composer())

    @cached_property
    def execution(self) -> Execution:
        """How runs are carried out."""
        asked = ("execution", *self._carried_out)
        known = recall(*asked)
        if known is not None:
            return Execution.model_validate_json(known)
        from sgdlab.config.compose import validate_execution

        inputs = Inputs.now()
        execution = validate_execution(self.composer, self._parse(self._carried_out))
        remember(inputs, execution.model_dump_json().encode(), *asked)
        return execution

    @cached_property
    def store(self) -> Store:
        """Where runs are stored."""
        return Store(self.execution.folders.store)

    @property
    def sweeps(self) -> list[Sweep]:
        """The sweeps, as they are named, with what extensions have added to their grids."""
        return [extended.sweep for extended in self._extended]

    @property
    def sweeps_as_written(self) -> list[Sweep]:
        """The sweeps without what extensions have added."""
        return [sweep for sweep, _ in self._loaded]

    @property
    def left_out(self) -> list[str]:
        """What earlier extensions have added and doesn't belong to the sweeps as they are now."""
        return [line for extended in self._extended for line in extended.left_out]

    @property
    def titles(self) -> list[str]:
        """What people call the sweeps."""
        return [f"{self._known(place).name} @ {self._scale}" for place in range(len(self._names))]

    def known(self) -> list[SweepKeys]:
        """Return which runs each sweep asks for, in its order."""
        return [self._known(place, inputs) for place, (_, inputs) in enumerate(self._loaded)]

    def runs(self) -> dict[str, dict[str, Run]]:
        """Return the runs of each sweep: its name → key → run."""
        return {
            sweep.name: {row.key: row.run for row in self._expand(place)}
            for place, sweep in enumerate(self.sweeps)
        }

    def survey(self) -> Survey:
        """Tell what became of each of the runs, and what they are; raises as `sgdlab.sweeps.survey` does."""
        wanted: dict[str, Run] = {}
        for place in range(len(self._names)):
            for row in self._expand(place):
                wanted.setdefault(row.key, row.run)
        known = self._known_together()
        found = survey_runs(wanted, self.store, len(known.keys), known.digest_of())
        return self._asked_for(found, range(len(self._names)))

    def look(self) -> list[SweepLook]:
        """Tell what became of each sweep's runs; where that can't be told of one, why."""
        return [self._look_at(place) for place in range(len(self._names))]

    def censuses(self) -> dict[str, Census]:
        """Tell what became of each sweep's runs: name of the sweep → its census."""
        return {
            self._known(place).name: self._asked_for(self._census_of(self._known(place)), [place])
            for place in range(len(self._names))
        }

    def census(self) -> Census:
        """Tell what became of each of the runs, those of all sweeps together."""
        return self._asked_for(self._census_of(self._known_together()), range(len(self._names)))

    def wanted(self) -> list[str]:
        """Return the keys of all runs; one that two grids share comes twice."""
        return self._known_together().keys

    def _look_at(self, place: int) -> SweepLook:
        known, title = self._known(place), self.titles[place]
        updates_of = known.updates_of()
        try:
            found = self._asked_for(self._census_of(known), [place])
        except UserError as error:  # another configuration is stored under its keys: the others can be told
            return SweepLook(title, updates_of, None, str(error))
        asked_for = (*found.stored, *found.damaged, *found.failed, *found.missing)
        return SweepLook(title, {key: updates_of[key] for key in asked_for}, found)

    def _asked_for(self, found: C, places: Sequence[int]) -> C:
        """Leave out what no rule for seeds asks for by now; sweeps are read only where there is one."""
        if not any(self._known(place).in_rounds for place in places):
            return found
        from sgdlab.analysis.collect import only_asked_for

        return only_asked_for(
            found, [(self.sweeps[place], self._known(place)) for place in places], self.store
        )

    def _census_of(self, known: SweepKeys) -> Census:
        return take_census(known.digest_of(), self.store, lambda key: self._configs[key])

    @cached_property
    def _configs(self) -> Mapping[str, Mapping[str, Any]]:
        """The full configuration of every run; only the message about a drift needs it."""
        rows = (row for place in range(len(self._names)) for row in self._expand(place))
        return {row.key: row.run.model_dump(mode="json") for row in rows}

    @cached_property
    def _loaded(self) -> list[tuple[Sweep, Inputs]]:
        from sgdlab.sweeps.files import load_sweep
        from sgdlab.sweeps.raw import files_read

        loaded = []
        for name in self._names:
            file = find_sweep(name)
            inputs = Inputs.now(files_read(file.path, file.shown))
            sweep = load_sweep(file, self._scale, self.composer, self._parse(self._about_runs))
            loaded.append((sweep, inputs))
        return loaded

    @cached_property
    def _extended(self) -> list[ExtendedSweep]:
        return [
            extend_sweep(sweep, record.points)
            for (sweep, _), record in zip(self._loaded, self._records, strict=True)
        ]

    @cached_property
    def _records(self) -> list[Record]:
        """What extensions have added to each sweep; its file is unread."""
        names = (find_sweep(name).name if name.endswith((".yaml", ".yml")) else name for name in self._names)
        return [read_record(self.store, name, self._scale) for name in names]

    def _known(self, place: int, inputs: Inputs | None = None) -> SweepKeys:
        """Return the keys of a sweep's runs: without Hydra, its file unread, where they are remembered."""
        if place not in self._keys:
            known = recall(*self._asked(place), inputs=inputs)
            if known is not None:
                self._keys[place] = SweepKeys.from_bytes(known)
            else:
                deque(self._expand(place), maxlen=0)
        return self._keys[place]

    def _known_together(self) -> SweepKeys:
        every = [self._known(place) for place in range(len(self._names))]
        return SweepKeys(
            name="",
            keys=[key for known in every for key in known.keys],
            config_digests=[digest for known in every for digest in known.config_digests],
        )

    def _expand(self, place: int) -> Iterator[WantedRun]:
        from sgdlab.sweeps.expand import expand_noting

        sweep, inputs = self._extended[place].sweep, self._loaded[place][1]
        known, is_custom = SweepKeys(sweep.name, in_rounds=sweep.protocol.seeds != "all"), False
        for row in expand_noting(sweep, self.composer, known):
            is_custom = is_custom or row.run.model.kind == "custom"
            yield row
        if place not in self._keys:
            self._keys[place] = known
            if not is_custom:  # its file may change at any time, and no fingerprint covers it
                remember(inputs, known.to_bytes(), *self._asked(place))

    def _asked(self, place: int) -> tuple[str, ...]:
        added = self._records[place].digest
        return (
            "keys",
            self._scale,
            self._names[place],
            *([f"with {added}"] if added else []),
            *self._about_runs,
        )

    def _parse(self, overrides: Sequence[str]) -> Overrides:
        from sgdlab.config.numbers import expand_pow2

        return self.composer.parse(map(expand_pow2, overrides))


def _names_at(argument: str, scale: str) -> list[str]:
    """Return the sweeps that an argument names; of a folder those that have the scale, if there are any."""
    named = names_meant_by(argument)
    if named == [argument]:
        return named
    scales = _scales_of_sweeps()
    if left_out := [name for name in named if scale not in scales[name]]:
        if len(left_out) == len(named):
            return named  # reading them says which scales there are
        print(f"without scale {scale}, and left out: {', '.join(left_out)}", file=sys.stderr)
    return [name for name in named if name not in left_out]


def arguments_or_all(arguments: Sequence[str] | None, scale: str) -> list[str]:
    """Return a command's arguments, with all sweeps that have the scale where none is named."""
    given = list(arguments or ())
    if any("=" not in argument for argument in given):
        return given
    return [*(name for name, scales in _scales_of_sweeps().items() if scale in scales), *given]


def _scales_of_sweeps() -> dict[str, list[str]]:
    """Return which scales each sweep has: to read all their files takes seconds, so it is remembered."""
    known, inputs = recall("scales"), Inputs.now()
    if known is None:
        from sgdlab.sweeps.files import describe_sweeps

        known = json.dumps({sweep.name: sweep.scales for sweep in describe_sweeps()}).encode()
        remember(inputs, known, "scales")
    scales: dict[str, list[str]] = json.loads(known)
    return scales


@contextmanager
def open_request(arguments: Sequence[str], scale: str) -> Iterator[Request]:
    """Understand a command's arguments, and close what that opens."""
    with ExitStack() as stack:
        yield Request(arguments, scale, stack)


def print_left_out(request: Request) -> None:
    """Say what earlier extensions have added and doesn't belong to the sweeps as they are now."""
    for line in request.left_out:
        print(line, file=sys.stderr)


def _is_about_execution(override: str) -> bool:
    return override.lstrip("+").partition("=")[0].partition(".")[0] in Execution.model_fields
