"""A private Slurm below one folder: started, asked, hurt, healed, and gone without a trace.

    with Cluster(folder, ClusterOptions(num_nodes=3)) as cluster:
        job = cluster.submit("echo $SLURM_JOB_ID")
        cluster.wait_for(job, "COMPLETED")

Jobs are named as Slurm writes them: "12", and "12_3" for a task of an array.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from slurm_cluster.configuration import ClusterOptions, Places, write_configuration
from slurm_cluster.daemons import Daemons
from slurm_cluster.installed import PATH, own_address
from slurm_cluster.ports import Ports
from slurm_cluster.processes import kill, start_keeper

SERVING = ("idle", "mixed", "allocated", "completing")


@dataclass(frozen=True)
class QueuedJob:
    """A line of squeue, one a task of an array."""

    job: str
    state: str  # in capitals: PENDING, RUNNING, COMPLETING and so on
    partition: str
    node: str  # empty while it waits
    reason: str
    name: str


@dataclass(frozen=True)
class AccountedJob:
    """A line of sacct, one a job or task of an array."""

    job: str
    state: str  # in capitals; without the "by" of CANCELLED by
    exit_code: str  # status:signal
    partition: str
    node: str
    name: str


class Cluster:
    """The daemons of one cluster and the questions that they answer.

    Parameters
    ----------
    folder
        Everything lies below it: configuration, state, logs, and the jobs' outputs. It must be new or empty.
    options
        Size and pace.

    Raises
    ------
    RuntimeError
        A daemon didn't start, or a command of Slurm failed.
    """

    def __init__(self, folder: Path, options: ClusterOptions | None = None) -> None:
        self.options = options or ClusterOptions()
        self.name = f"t{secrets.token_hex(4)}"
        self.folder = folder.resolve()
        self.outputs = self.folder / "outputs"
        address = own_address()
        self._ports = Ports(address, 2 + self.options.num_nodes)
        controller, accounting, *nodes = self._ports.numbers
        self._places = Places(self.name, self.folder, address, controller, accounting, nodes)
        self._daemons = Daemons(self._places)
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes."""
        return self.options.nodes

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs, beside its ordinary environment, to speak to this cluster."""
        return {"SLURM_CONF": str(self._places.configuration), "PATH": PATH}

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

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Give a command to this cluster, in the folder of outputs; it may fail."""
        return subprocess.run(
            arguments,
            cwd=self.outputs,
            env=self.environment | {"LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def submit(self, script: str, *options: str) -> str:
        """Submit lines of shell with options of sbatch; return the job."""
        return self._answer("sbatch", "--parsable", *options, "--wrap", script).strip()

    def output(self, job: str) -> str:
        """Return what a job has written so far, standard error included."""
        path = self.outputs / f"slurm-{job}.out"
        return path.read_text() if path.exists() else ""

    def jobs(self, *options: str) -> list[QueuedJob]:
        """Return the jobs that wait, run or complete; options of squeue choose others."""
        columns = ("-o", "%i|%T|%P|%N|%r|%j")
        lines = self._answer("squeue", "--noheader", "--array", *options, *columns).splitlines()
        return [QueuedJob(*line.split("|", 5)) for line in lines]

    def accounted(self, *options: str) -> list[AccountedJob]:
        """Return the jobs of the last week that accounting knows of; options of sacct choose among them."""
        columns = "--format=JobID,State,ExitCode,Partition,NodeList,JobName"
        common = (
            "--noheader",
            "--parsable2",
            "--allocations",
            "--allusers",
            "--starttime=now-7days",
            columns,
        )
        found = []
        for line in self._answer("sacct", *common, *options).splitlines():
            job, state, *others = line.split("|", 5)
            found.append(AccountedJob(job, state.split()[0], *others))
        return found

    def state(self, job: str) -> str:
        """Return a job's state, or an empty text for one that the controller has forgotten."""
        return self.command("squeue", "--noheader", "--states=all", "-j", job, "-o", "%T").stdout.strip()

    def wait_for(self, job: str, *states: str, timeout_s: float = 60) -> None:
        """Wait until a job is in one of some states."""
        _wait(lambda: self.state(job) in states, lambda: f"{job} is {self.state(job)}", timeout_s)

    def cancel_all(self) -> None:
        """Cancel every job; none is left, nor any process of one, when this returns."""
        self._answer("scancel", "--user=root")
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

    def requeue(self, job: str) -> None:
        """Have a running job killed and queued again."""
        self._answer("scontrol", "requeue", job)

    def preempt(self, job: str) -> str:
        """Submit a job to `main` that takes the whole node of a running one; return the intruder.

        Every preemptible job of that node is queued again. The intruder stays until it is cancelled.
        """
        node = self._answer("squeue", "--noheader", "-j", job, "-o", "%N").strip()
        whole = (f"--nodelist={node}", f"--cpus-per-task={self.options.num_cpus}")
        return self.submit("exec sleep infinity", "--partition=main", "--job-name=intruder", *whole)

    # ---- faults of nodes --------------------------------------------------------------------------------

    def node_state(self, node: str) -> str:
        """Return a node's state as sinfo writes it: with * where it doesn't answer."""
        return self._answer("sinfo", "--noheader", "--partition=main", f"--nodes={node}", "-o", "%T").strip()

    def power_cut(self, node: str) -> None:
        """Kill a node's slurmd and all processes of its jobs, at once."""
        kill(self.name, lambda environment: environment.get("SLURMD_NODENAME") == node)
        self._daemons.end(node, signal.SIGKILL)

    def kill_slurmd(self, node: str) -> None:
        """Kill a node's slurmd alone: its jobs go on, and the controller hears nothing of them."""
        self._daemons.end(node, signal.SIGKILL)

    def set_down(self, node: str) -> None:
        """Declare a node down; its jobs are queued again."""
        self._answer("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

    def restore(self, node: str) -> None:
        """Start a node's slurmd where it doesn't run, and wait until the node serves."""
        self._daemons.start_node(node)

        def serves() -> bool:
            state = self.node_state(node)
            if state in ("down", "drained", "draining"):
                self.command("scontrol", "update", f"nodename={node}", "state=resume")
            return state in SERVING

        _wait(serves, lambda: f"{node} is {self.node_state(node)}")

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
        self._daemons.signal("slurmctld", signal.SIGSTOP)

    def thaw_controller(self) -> None:
        """Have slurmctld go on."""
        self._daemons.signal("slurmctld", signal.SIGCONT)

    def stop_accounting(self) -> None:
        """End slurmdbd; the controller keeps its records until it is back."""
        self._daemons.end("slurmdbd", signal.SIGTERM)

    def start_accounting(self) -> None:
        """Start slurmdbd and wait until it answers."""
        self._daemons.start_accounting()
        self._daemons.await_answer("slurmdbd", self._answers("sacct"))

    # ---- asking -----------------------------------------------------------------------------------------

    def _answer(self, *arguments: str) -> str:
        """Return what a command writes, or raise with what it says."""
        finished = self.command(*arguments)
        if finished.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {finished.stderr.strip()}")
        return finished.stdout

    def _answers(self, *arguments: str) -> Callable[[], bool]:
        return lambda: self.command(*arguments).returncode == 0

    def _all_idle(self) -> bool:
        listed = self.command("sinfo", "--noheader", "--Node", "--partition=main", "-o", "%T").stdout.split()
        return listed == ["idle"] * len(self.nodes)

    def _is_accounted(self) -> bool:
        """Whether slurmdbd knows the controller: earlier records would be lost."""
        known = self.command("sacctmgr", "--noheader", "--parsable2", "show", "cluster", "format=controlport")
        return known.stdout.strip() == str(self._places.controller_port)


def _wait(condition: Callable[[], bool], instead: Callable[[], str], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s in vain: {instead()}")
        time.sleep(0.05)
