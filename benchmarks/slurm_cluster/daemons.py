"""The daemons of one cluster, in the foreground, as children of who started them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from slurm_cluster.configuration import Places
from slurm_cluster.installed import PATH, SYSTEM_TABLES, program
from slurm_cluster.processes import MARK

DATABASE = (
    "--no-defaults",
    "--user=root",
    "--innodb-log-file-size=4M",
    "--innodb-flush-log-at-trx-commit=0",
    "--debug-no-sync",  # the folder is thrown away: no fsync is worth waiting for
)


class Daemons:
    """Starts daemons under a name each, and ends them by it."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_munge(self) -> None:
        """Start munged; it answers when this returns."""
        places = self.places
        key = places.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = [
            f"--socket={places.munge_socket}",
            f"--key-file={key}",
            f"--log-file={places.folder}/log/munged.log",
            f"--pid-file={places.folder}/munge/pid",
            f"--seed-file={places.folder}/munge/seed",
        ]
        self._start(
            "munged", "munged", "--foreground", "--force", *files
        )  # forced: it doesn't like to be root
        self.await_answer("munged", places.munge_socket.exists)

    def start_database(self) -> None:
        """Make an empty database and start mariadbd; it answers when this returns."""
        places = self.places
        data = places.database
        data.mkdir(mode=0o700)
        with SYSTEM_TABLES.open() as tables, (places.folder / "log/database-tables.log").open("wb") as log:
            subprocess.run(
                [program("mariadbd") or "mariadbd", *DATABASE, f"--datadir={data}", "--bootstrap"],
                input=b"create database mysql;\nuse mysql;\n" + tables.read().encode(),
                stdout=log,
                stderr=log,
                env=self._environment(),
                check=True,
            )
        options = [f"--datadir={data}", f"--socket={places.database_socket}", f"--pid-file={data}/pid"]
        self._start("mariadbd", "mariadbd", *DATABASE, *options, "--skip-networking", "--skip-grant-tables")
        self.await_answer("mariadbd", places.database_socket.exists)

    def start_accounting(self) -> None:
        """Start slurmdbd."""
        self._start("slurmdbd", "slurmdbd", "-D", MYSQL_UNIX_PORT=str(self.places.database_socket))

    def start_controller(self) -> None:
        """Start slurmctld."""
        self._start("slurmctld", "slurmctld", "-D")

    def start_node(self, node: str) -> None:
        """Start a node's slurmd, unless it runs."""
        if not self.runs(node):
            folder = self.places.spool / node
            folder.mkdir(exist_ok=True)
            self._start(node, "slurmd", "-D", "-N", node, cwd=folder, SLURMD_NODENAME=node)

    def runs(self, name: str) -> bool:
        """Return whether a daemon runs."""
        return name in self._running and self._running[name].poll() is None

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a daemon that may have ended."""
        if name in self._running:
            self._running[name].send_signal(number)

    def end(self, name: str, number: signal.Signals) -> None:
        """Send a signal that ends a daemon, and wait for its end."""
        self.send(name, number)
        if name in self._running:
            self._running.pop(name).wait(timeout=30)

    def reap(self) -> None:
        """Wait for the ends of daemons that were killed."""
        for daemon in self._running.values():
            daemon.wait(timeout=30)
        self._running.clear()

    def await_answer(self, name: str, answers: Callable[[], bool], timeout_s: float = 30) -> None:
        """Wait until a daemon answers.

        Raises
        ------
        RuntimeError
            It has ended, or says nothing; with the ends of all logs.
        """
        deadline = time.monotonic() + timeout_s
        while not answers():
            if not self.runs(name) or time.monotonic() > deadline:
                state = "says nothing" if self.runs(name) else "has ended"
                raise RuntimeError(f"{name} {state}\n{self._ends_of_logs()}")
            time.sleep(0.02)

    def _start(
        self, name: str, command: str, *arguments: str, cwd: Path | None = None, **environment: str
    ) -> None:
        with (self.places.folder / f"log/{name}.out").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [program(command) or command, *arguments],
                cwd=cwd or self.places.folder,
                env=self._environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        return {"PATH": PATH, "SLURM_CONF": str(self.places.configuration), MARK: self.places.name}

    def _ends_of_logs(self) -> str:
        logs = sorted((self.places.folder / "log").iterdir())
        ends = {log.name: log.read_text(errors="replace").splitlines()[-10:] for log in logs}
        return "\n".join(f"{name}: {line}" for name, lines in ends.items() for line in lines)
