"""The command that shows sweeps in a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from sgdlab.cli.arguments import OptionalArguments, Scale, arguments_or_all
from sgdlab.cli.request import Request, open_request
from sgdlab.errors import UserError
from sgdlab.runs.store import Store
from sgdlab.sweeps.finding import find_sweep

if TYPE_CHECKING:
    from sgdlab.launch.live.outcomes import SweepLook
    from sgdlab.sweeps.remembered import SweepKeys
    from sgdlab.sweeps.spec import Sweep


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dashboard")(dashboard)


def dashboard(
    arguments: OptionalArguments = None,
    scale: Scale = "laptop",
    host: Annotated[
        str, typer.Option(help="Where to listen; anything but this machine asks for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8050,
) -> None:
    """Show sweeps in a browser, live: figures, claims, runs, failures; without a name, all sweeps."""
    catalogue = SweepsAsked(arguments_or_all(arguments, scale), scale)
    from sgdlab.dashboard.server import serve
    from sgdlab.launch.live.reader import LiveReader

    serve(catalogue, LiveReader(catalogue.store, catalogue.look), host, port)


class SweepsAsked:
    """The sweeps of a command, read anew whenever somebody asks: files and grids may change meanwhile."""

    def __init__(self, arguments: Sequence[str], scale: str) -> None:
        self.scale = scale
        self._overrides = [argument for argument in arguments if "=" in argument]
        self._hydra = threading.Lock()  # it has one state for the whole process
        with open_request(arguments, scale) as request:
            self.store: Store = request.store
            self._arguments_of = {find_sweep(named).name: named for named in request.named}
        self.names = list(self._arguments_of)
        self._titles: dict[str, str] = {}
        threading.Thread(target=self._read_titles, name="titles", daemon=True).start()

    def title_of(self, name: str) -> str:
        """Return what a sweep is about; nothing before its file was read, or where it doesn't say."""
        return self._titles.get(name, "")

    def _read_titles(self) -> None:
        """Read what sweeps are about: seconds for all of them, and no page waits for it."""
        from sgdlab.sweeps.files import describe_sweep

        for name, named in self._arguments_of.items():
            with suppress(UserError):  # the sweep's own page says what is wrong with its file
                self._titles[name] = describe_sweep(find_sweep(named)).title

    def known(self, name: str) -> SweepKeys:
        """Return which runs a sweep asks for."""
        with self._open(name) as request:
            (known,) = request.known()
            return known

    def sweep(self, name: str) -> Sweep:
        """Return the sweep, with what extensions have added to its grids."""
        with self._open(name) as request:
            (sweep,) = request.sweeps
            return sweep

    def look(self) -> list[SweepLook]:
        """Look at the run folders of all sweeps."""
        looks: list[SweepLook] = []
        for name in self.names:  # one at a time: a page may be waiting for Hydra
            with self._open(name) as request:
                looks += request.look()
        return looks

    @contextmanager
    def _open(self, name: str) -> Iterator[Request]:
        with self._hydra, open_request([self._arguments_of[name], *self._overrides], self.scale) as request:
            yield request
