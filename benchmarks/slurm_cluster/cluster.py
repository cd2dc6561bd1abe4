"""A private Slurm below one folder: started, asked, hurt, healed, and gone without a trace.

with Cluster(folder, ClusterOptions(num_nodes=3)) as cluster:
    job = cluster.submit("echo $SLURM_JOB_ID")
    cluster.wait_for(job, "COMPLETED")
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from slurm_cluster.client import Client, wait
from slurm_cluster.configuration import ClusterOptions, Places, write_configuration
from slurm_cluster.daemons import Daemons
from slurm_cluster.installed import PATH, own_address
from slurm_cluster.ports import Ports
from slurm_cluster.processes import kill, start_keeper

# A socket's path has 107 characters; below the folder, slurmstepd's has spool/<name>/n99/n99_<job>.<step>.
LONGEST_FOLDER = 60
SERVING = ("idle", "planned", "mixed", "allocated", "completing")


class Cluster(Client):
    """The daemons of one cluster, and the commands that it is given.

    `environment` is what other commands need, beside their own, to speak to it.

    Parameters
    ----------
    folder
        Everything lies below it: configuration, state, logs, and the jobs' outputs. It must be new or empty.
    options
        Size and pace.

    Raises
    ------
    ValueError
        The folder's path is too long for the sockets below it.
    RuntimeError
        A daemon didn't start, or a command of Slurm failed.
    """

    def __init__(self, folder: Path, options: ClusterOptions | None = None) -> None:
        self.options = options or ClusterOptions()
        self.name = f"t{secrets.token_hex(4)}"
        self.folder = folder.resolve()
        if len(str(self.folder)) > LONGEST_FOLDER:
            raise ValueError(
                f"{self.folder}: too long, by sockets' measure; {LONGEST_FOLDER} characters at most"
            )
        address = own_address()
        self._ports = Ports(address, 2 + self.options.num_nodes)
        controller, accounting, *nodes = self._ports.numbers
        self._places = Places(self.name, self.folder, address, controller, accounting, nodes)
        super().__init__(
            {"SLURM_CONF": str(self._places.configuration), "PATH": PATH}, self.folder / "outputs"
        )
        self._daemons = Daemons(self._places)
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes."""
        return self.options.nodes

    # ---- from start to stop -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start all daemons; every node is idle when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_configuration(self._places, self.options)
        self._keeper = start_keeper(self.name)
        try:
            self._daemons.start_munge()
            if self.options.accounting:
                self._daemons.start_database()
                self.start_accounting()
            self._daemons.start_controller()
            for node in self.nodes:
                self._daemons.start_node(node)
            self._daemons.await_answer("slurmctld", self._all_idle)
            if self.options.accounting:
                self._daemons.await_answer("slurmctld", self._is_accounted)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the daemons and every process of the cluster's jobs, in whatever state they are."""
        kill(self.name)
        self._daemons.reap()
        if self._keeper is not None:
            self._keeper.communicate()  # closes its input
            self._keeper = None
        self._ports.close()
        shutil.rmtree(self._places.database, ignore_errors=True)  # 100 MB that nobody will read

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    # ---- jobs -------------------------------------------------------------------------------------------

    def cancel_all(self) -> None:
        """Cancel every job; none is left, nor any process of one, when this returns."""
        self.answer("scancel", "--user=root")
        deadline = time.monotonic() + 60
        while left := self.jobs():
            kill(self.name, lambda environment: "SLURM_JOB_ID" in environment)  # who ignores SIGTERM too
            if time.monotonic() > deadline:
                raise TimeoutError(f"these jobs can't be cancelled: {left}")
            time.sleep(0.05)

    def clean(self) -> None:
        """Heal whatever was hurt and cancel every job, for the next who uses the cluster."""
        self.thaw_controller()
        if not self._daemons.runs("slurmctld"):
            self.start_controller()
        if self.options.accounting and not self._daemons.runs("slurmdbd"):
            self.start_accounting()
        for node in self.nodes:
            self.restore(node)
        self.cancel_all()

    # ---- what happens to jobs ---------------------------------------------------------------------------

    def preempt(self, job: str) -> str:
        """Submit a job to `main` that takes the whole node of a running one; return the intruder.

        Every preemptible job of that node is queued again. The intruder stays until it is cancelled.
        """
        node = self.answer("squeue", "--noheader", "-j", job, "-o", "%N").strip()
        whole = (f"--nodelist={node}", f"--cpus-per-task={self.options.num_cpus}")
        return self.submit("exec sleep infinity", "--partition=main", "--job-name=intruder", *whole)

    # ---- faults of nodes --------------------------------------------------------------------------------

    def power_cut(self, node: str) -> None:
        """Kill a node's slurmd and all processes of its jobs, at once."""
        kill(self.name, lambda environment: environment.get("SLURMD_NODENAME") == node)
        self._daemons.end(node, signal.SIGKILL)

    def kill_slurmd(self, node: str) -> None:
        """Kill a node's slurmd alone: its jobs go on, and the controller hears nothing of them."""
        self._daemons.end(node, signal.SIGKILL)

    def set_down(self, node: str) -> None:
        """Declare a node down, for good; its jobs are queued again."""
        # Drained as well, since a late answer of its slurmd would bring a node back that is down only.
        for state in ("down", "drain"):
            self.answer("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")

    def restore(self, node: str) -> None:
        """Start a node's slurmd where it doesn't run, and wait until the node serves."""
        self._daemons.start_node(node)

        def serves() -> bool:
            state = self.node_state(node)
            if state in ("down", "drained", "draining"):
                self.command("scontrol", "update", f"nodename={node}", "state=resume")
            return state in SERVING

        wait(serves, lambda: f"{node} is {self.node_state(node)}")

    # ---- faults of the controller and of accounting -----------------------------------------------------

    def stop_controller(self) -> None:
        """End slurmctld, as its administrator would; jobs go on."""
        self._daemons.end("slurmctld", signal.SIGTERM)

    def start_controller(self) -> None:
        """Start slurmctld again and wait until it answers."""
        self._daemons.start_controller()
        self._daemons.await_answer("slurmctld", self._answers("squeue"))

    def freeze_controller(self) -> None:
        """Have slurmctld stand still: commands wait for it, and give up."""
        self._daemons.send("slurmctld", signal.SIGSTOP)

    def thaw_controller(self) -> None:
        """Have slurmctld go on."""
        self._daemons.send("slurmctld", signal.SIGCONT)

    def stop_accounting(self) -> None:
        """End slurmdbd; the controller keeps its records until it is back."""
        self._daemons.end("slurmdbd", signal.SIGTERM)

    def start_accounting(self) -> None:
        """Start slurmdbd and wait until it answers."""
        self._daemons.start_accounting()
        self._daemons.await_answer("slurmdbd", self._answers("sacct"))

    # ---- asking -----------------------------------------------------------------------------------------

    def _answers(self, *arguments: str) -> Callable[[], bool]:
        return lambda: self.command(*arguments).returncode == 0

    def _all_idle(self) -> bool:
        listed = self.command("sinfo", "--noheader", "--Node", "--partition=main", "-o", "%T").stdout.split()
        return listed == ["idle"] * len(self.nodes)

    def _is_accounted(self) -> bool:
        """Whether slurmdbd knows the controller: earlier records would be lost."""
        known = self.command("sacctmgr", "--noheader", "--parsable2", "show", "cluster", "format=controlport")
        return known.stdout.strip() == str(self._places.controller_port)
