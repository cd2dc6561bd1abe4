"""What a private cluster is told: slurm.conf, gres.conf and slurmdbd.conf below one folder.

Settings that surprise:

- NoInAddrAny: else the daemons listen on every address of the machine.
- cred_expire: how long a requeued job waits before it starts again; Slurm's own is two minutes.
- AccountingStoragePass: munge's socket on the way to slurmdbd; else the machine's own would be asked.
- linuxproc, task/none: neither cgroups nor binding to processors that aren't there.
- config_overrides: nodes claim more processors and memory than this machine has.
- NodeHostname, NodeAddr and Port: several nodes on one machine. DefMemPerCPU: else one job fills a node.
- ReturnToService=2: a restored node serves again unasked.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm_cluster.installed import host_name


@dataclass(frozen=True)
class ClusterOptions:
    """The size of a cluster and its pace. Nodes are n1, n2 and so on; all are in both partitions.

    `main` is the default partition; its jobs preempt those of `preemptible`, which are queued again.
    """

    num_nodes: int = 2
    num_cpus: int = 4  # a node; more than the machine has will do
    memory_mb: int = 16_000  # a node
    num_gpus: int = 0  # a node; devices that are none, counted by Slurm and seen in CUDA_VISIBLE_DEVICES
    accounting: bool = False
    max_array_size: int = 1001
    min_job_age_s: int = 300  # until an ended job is forgotten by the controller
    kill_wait_s: int = 5  # between SIGTERM and SIGKILL
    grace_time_s: int = 0  # between a preemption's SIGTERM and its SIGKILL
    extra: Sequence[str] = ()  # lines of slurm.conf; Slurm takes the last of two

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes."""
        return [f"n{number}" for number in range(1, self.num_nodes + 1)]


@dataclass(frozen=True)
class Places:
    """Where one cluster lies: its name, folder, address and ports."""

    name: str
    folder: Path
    address: str
    controller_port: int
    accounting_port: int
    node_ports: Sequence[int]

    @property
    def configuration(self) -> Path:
        """The file that SLURM_CONF names."""
        return self.folder / "slurm.conf"

    @property
    def spool(self) -> Path:
        """Where each node has a folder, in one named for the cluster: the mark of its slurmstepds."""
        return self.folder / "spool" / self.name

    @property
    def munge_socket(self) -> Path:
        """Where munged answers."""
        return self.folder / "munge" / "socket"

    @property
    def database(self) -> Path:
        """The folder of mariadbd's tables."""
        return self.folder / "database"

    @property
    def database_socket(self) -> Path:
        """Where mariadbd answers."""
        return self.folder / "database.socket"


def write_configuration(places: Places, options: ClusterOptions) -> None:
    """Write the three files, the folders that they name, and the devices that stand for GPUs."""
    for name in ("munge", "state", "spool", "log", "dev", "outputs"):
        (places.folder / name).mkdir(mode=0o700)
    places.spool.mkdir()
    for number in range(options.num_gpus):
        os.mknod(places.folder / f"dev/gpu{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    places.configuration.write_text(_lines(_cluster(places, options)))
    (places.folder / "gres.conf").write_text(_lines(_devices(places, options)))
    accounting = places.folder / "slurmdbd.conf"
    accounting.touch(mode=0o600)  # others could read the password that isn't there: slurmdbd refuses
    accounting.write_text(_lines(_accounting(places)))


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _cluster(places: Places, options: ClusterOptions) -> list[str]:
    folder, host = places.folder, host_name()
    gpus = f"Gres=gpu:{options.num_gpus} " if options.num_gpus else ""
    lines = [
        f"ClusterName={places.name}",
        f"SlurmctldHost={host}({places.address})",
        f"SlurmctldPort={places.controller_port}",
        "SlurmUser=root",
        "SlurmdUser=root",
        "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
        "AuthType=auth/munge",
        f"AuthInfo=socket={places.munge_socket},cred_expire=5",
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={places.spool}/%n",
        f"SlurmctldPidFile={folder}/state/slurmctld.pid",
        f"SlurmdPidFile={folder}/spool/slurmd-%n.pid",
        f"SlurmctldLogFile={folder}/log/slurmctld.log",
        f"SlurmdLogFile={folder}/log/slurmd-%n.log",
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "SwitchType=switch/none",
        "MpiDefault=none",
        "SlurmdParameters=config_overrides",
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=5",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU_Memory",
        "DefMemPerCPU=100",
        "GresTypes=gpu",
        "SchedulerType=sched/backfill",
        "SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1",
        "PriorityType=priority/basic",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "JobRequeue=1",
        f"MaxArraySize={options.max_array_size}",
        "MaxJobCount=10000",
        f"MinJobAge={options.min_job_age_s}",
        f"KillWait={options.kill_wait_s}",
        "CompleteWait=0",
        "InactiveLimit=0",
        "OverTimeLimit=0",
        "SlurmctldTimeout=5",
        "SlurmdTimeout=10",
        "UnkillableStepTimeout=60",
        "ReturnToService=2",
    ]
    if options.accounting:
        lines += [
            "AccountingStorageType=accounting_storage/slurmdbd",
            f"AccountingStorageHost={places.address}",
            f"AccountingStoragePort={places.accounting_port}",
            f"AccountingStoragePass={places.munge_socket}",
            "AccountingStorageTRES=gres/gpu",
        ]
    for node, port in zip(options.nodes, places.node_ports, strict=True):
        lines.append(
            f"NodeName={node} NodeHostname={host} NodeAddr={places.address} Port={port} "
            f"CPUs={options.num_cpus} RealMemory={options.memory_mb} {gpus}State=UNKNOWN"
        )
    limits = "DefaultTime=60 MaxTime=INFINITE State=UP"
    grace = f"GraceTime={options.grace_time_s}"
    lines += [
        f"PartitionName=main Nodes=ALL Default=YES PriorityTier=10 PreemptMode=OFF {limits}",
        f"PartitionName=preemptible Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE {grace} {limits}",
    ]
    return [*lines, *options.extra]


def _devices(places: Places, options: ClusterOptions) -> list[str]:
    if not options.num_gpus:
        return []
    files = f"{places.folder}/dev/gpu[0-{options.num_gpus - 1}]"
    return [f"NodeName={node} Name=gpu File={files}" for node in options.nodes]


def _accounting(places: Places) -> list[str]:
    return [
        "AuthType=auth/munge",
        f"AuthInfo=socket={places.munge_socket}",
        "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
        f"DbdHost={host_name()}",
        f"DbdAddr={places.address}",
        f"DbdPort={places.accounting_port}",
        "SlurmUser=root",
        "StorageType=accounting_storage/mysql",
        "StorageHost=localhost",
        "StorageUser=root",
        "StorageLoc=slurm_acct_db",
        f"LogFile={places.folder}/log/slurmdbd.log",
        f"PidFile={places.folder}/state/slurmdbd.pid",
    ]
