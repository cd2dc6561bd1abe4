"""Oracle: real processes, alive, dead, unreaped, and psutil's view of when they started."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sgdlab.runs.processes import Process


def test_the_calling_process_is_here_and_its_start_is_the_one_psutil_sees():
    process = Process.current()
    assert process.pid == os.getpid()
    assert not process.is_gone()
    seconds_after_boot = process.pid_start / os.sysconf("SC_CLK_TCK")
    # two seconds: psutil adds a boot time in whole seconds, which itself may be off by one
    assert seconds_after_boot + psutil.boot_time() == pytest.approx(psutil.Process().create_time(), abs=2)


def test_a_process_whose_name_looks_like_a_state_is_read(in_child):
    def check():
        Path("/proc/self/comm").write_text("a) Z 1 (b")
        process = Process.current()
        assert not process.is_gone()
        assert process.pid_start > 1

    assert in_child(check) == 0


def test_a_killed_process_is_gone_even_before_its_parent_has_noticed():
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, f"{Process.current().pid_start}".encode())
        signal.pause()
    process = replace(Process.current(), pid=child, pid_start=int(os.read(reader, 100)))
    assert not process.is_gone()
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it has died, and is a zombie
    assert process.is_gone()
    os.waitpid(child, 0)
    assert process.is_gone()


def test_a_successor_with_the_same_number_is_another_process():
    assert replace(Process.current(), pid_start=1).is_gone()


def test_a_process_of_another_boot_or_container_is_not_judged():
    assert not replace(Process.current(), boot_id="another", pid=2**22 + 1).is_gone()
