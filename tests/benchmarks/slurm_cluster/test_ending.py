"""However a cluster ends, nothing of it stays; and what isn't its own is left alone."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from slurm_cluster import Cluster, ClusterOptions
from slurm_cluster.ports import Ports
from slurm_cluster.processes import MARK, kill, processes_of

# Starts a cluster with a job that ignores what can be ignored, says its name, and waits.
OWNER = """
import signal, sys, time
from pathlib import Path
from slurm_cluster import Cluster, ClusterOptions
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell's commands don't hear it
cluster = Cluster(Path(sys.argv[1]), ClusterOptions(num_nodes=1))
cluster.start()
job = cluster.submit("trap '' TERM HUP; setsid sleep infinity & echo there; while true; do sleep 1; done")
while "there" not in cluster.output(job):
    time.sleep(0.05)
print(cluster.name, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("heal", [False, True])
def test_stop_leaves_no_process(make_cluster, heal):
    cluster = make_cluster(num_nodes=1)
    job = cluster.submit("trap '' TERM; setsid sleep infinity & while true; do sleep 1; done")
    cluster.wait_for(job, "RUNNING")
    if not heal:
        cluster.freeze_controller()
        cluster.kill_slurmd("n1")
    assert processes_of(cluster.name)
    keeper = cluster._keeper
    cluster.stop()
    assert processes_of(cluster.name) == []
    assert keeper.poll() == 0
    cluster.stop()  # once more does no harm


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_cluster_ends_with_its_owner(needs_slurm, tmp_path_factory, wait_until, number):
    folder = tmp_path_factory.mktemp("owned")
    path = os.pathsep.join(sys.path)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    name = owner.stdout.readline().strip()
    try:
        names = {process.name() for process in processes_of(name)}
        assert {"munged", "slurmctld", "slurmd", "slurmstepd", "slurm_script", "sleep"} <= names
        owner.send_signal(number)
        owner.wait()
        wait_until(lambda: not processes_of(name))
    finally:
        owner.kill()
        owner.communicate()  # closes its output as well
        kill(name)


def test_a_daemon_that_does_not_start_is_shown_with_its_log(make_cluster):
    with pytest.raises(RuntimeError, match=r"(?s)slurmctld has ended\n.*NoSuchSetting"):
        make_cluster(extra=("NoSuchSetting=1",))


def test_a_folder_too_long_for_sockets_is_refused(tmp_path):
    with pytest.raises(ValueError, match="60 characters at most"):
        Cluster(tmp_path / ("x" * 60))


def test_strangers_are_spared():
    """Same variables, another name; and one whose name merely starts alike."""
    others = [subprocess.Popen(["sleep", "60"], env={MARK: name}) for name in ("tother", "tmine2")]
    mine = subprocess.Popen(["sleep", "60"], env={MARK: "tmine"})
    kill("tmine")
    assert mine.wait(timeout=10) == -signal.SIGKILL
    for other in others:
        assert other.poll() is None
        other.kill()
        other.wait()


def test_kept_ports_are_given_to_daemons_only():
    ports = Ports("127.0.0.1", 3)
    assert len(set(ports.numbers)) == 3
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", ports.numbers[0]))
    with socket.socket() as daemon:
        daemon.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        daemon.bind(("127.0.0.1", ports.numbers[0]))
        daemon.listen()
    ports.close()


def test_nodes_are_numbered():
    assert ClusterOptions(num_nodes=3).nodes == ["n1", "n2", "n3"]
