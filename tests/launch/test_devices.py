"""Who gets which device, told without torch."""

import os

import pytest

from sgdlab.config.execution import LocalLauncher
from sgdlab.errors import UsageError
from sgdlab.launch import devices
from sgdlab.launch.devices import bytes_per_worker, num_workers, training_device, worker_devices
from sgdlab.machine.devices import Device, this_processor


@pytest.fixture(autouse=True)
def no_machine(monkeypatch, tmp_path):
    """A machine of three cores without GPUs."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})


@pytest.fixture
def two_gpus(tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU-a, 81559, NVIDIA A'\necho 'GPU-b, 40960, NVIDIA B, big'\n")
    program.chmod(0o755)


def test_a_worker_for_each_core_but_no_more_than_packs():
    assert num_workers(LocalLauncher()) == 3
    assert worker_devices(LocalLauncher(), num_packs=9) == ["cpu"] * 3
    assert worker_devices(LocalLauncher(), num_packs=2) == ["cpu"] * 2
    assert worker_devices(LocalLauncher(num_workers=5), num_packs=9) == ["cpu"] * 5


@pytest.mark.usefixtures("two_gpus")
def test_a_worker_for_each_gpu_and_more_in_turn():
    assert worker_devices(LocalLauncher(), num_packs=9) == ["cuda:0", "cuda:1"]
    assert worker_devices(LocalLauncher(num_workers=3), num_packs=9) == ["cuda:0", "cuda:1", "cuda:0"]
    assert worker_devices(LocalLauncher(device="cpu"), num_packs=9) == ["cpu"] * 3


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(("visible", "devices"), [("1", ["cuda:0"]), ("", ["cpu"] * 3), ("-1", ["cpu"] * 3)])
def test_cuda_visible_devices_is_obeyed(monkeypatch, visible, devices):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert worker_devices(LocalLauncher(), num_packs=9) == devices


def test_asking_for_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match=r"launcher\.device=cuda, and this machine shows no GPU"):
        worker_devices(LocalLauncher(device="cuda"), num_packs=1)


def test_the_processor_trains_where_there_is_no_gpu():
    assert training_device(LocalLauncher()) == this_processor()
    with pytest.raises(UsageError, match="shows no GPU"):
        training_device(LocalLauncher(device="cuda"))


@pytest.mark.usefixtures("two_gpus")
def test_the_first_gpu_stands_for_all():
    assert training_device(LocalLauncher()) == Device("cuda", "NVIDIA A", 81559 * 2**20)
    assert training_device(LocalLauncher(device="cpu")) == this_processor()


@pytest.mark.usefixtures("two_gpus")
def test_workers_of_one_device_share_its_memory(monkeypatch):
    share = int(0.6 * 81559 * 2**20)
    assert bytes_per_worker(LocalLauncher()) == bytes_per_worker(LocalLauncher(num_workers=2)) == share
    assert bytes_per_worker(LocalLauncher(num_workers=3)) == share // 2
    monkeypatch.setattr(devices, "this_processor", lambda: Device("cpu", "x", 1000))
    assert bytes_per_worker(LocalLauncher(device="cpu")) == 200  # three workers
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-unknown")
    assert bytes_per_worker(LocalLauncher()) is None


def test_processes_that_share_minibatches_make_fewer_workers():
    assert num_workers(LocalLauncher(devices_per_run=2)) == 1
    assert num_workers(LocalLauncher(devices_per_run=5)) == 1
    assert worker_devices(LocalLauncher(devices_per_run=3, num_workers=2), num_packs=9) == ["cpu"] * 2


@pytest.fixture
def five_gpus(tmp_path):
    program = tmp_path / "nvidia-smi"
    lines = "".join(f"echo 'GPU-{name}, 40960, NVIDIA B'\n" for name in "abcde")
    program.write_text(f"#!/bin/sh\n{lines}")
    program.chmod(0o755)


@pytest.mark.usefixtures("five_gpus")
def test_each_worker_has_a_block_of_gpus_of_its_own():
    assert num_workers(LocalLauncher(devices_per_run=2)) == 2
    assert worker_devices(LocalLauncher(devices_per_run=2), num_packs=9) == ["cuda:0", "cuda:2"]
    assert worker_devices(LocalLauncher(devices_per_run=2), num_packs=1) == ["cuda:0"]
    assert worker_devices(LocalLauncher(devices_per_run=5), num_packs=9) == ["cuda:0"]
    shared = LocalLauncher(devices_per_run=2, num_workers=3)
    assert worker_devices(shared, num_packs=9) == ["cuda:0", "cuda:2", "cuda:0"]
    assert bytes_per_worker(shared) == bytes_per_worker(LocalLauncher()) // 2


@pytest.mark.usefixtures("five_gpus")
def test_more_gpus_for_a_run_than_there_are_are_refused():
    refusal = (
        r"^launcher\.devices_per_run=6, and this machine shows 5 GPUs; "
        r"use at most that many, or launcher\.device=cpu$"
    )
    for ask in (num_workers, training_device, lambda launcher: worker_devices(launcher, num_packs=1)):
        with pytest.raises(UsageError, match=refusal):
            ask(LocalLauncher(devices_per_run=6))
    assert worker_devices(LocalLauncher(devices_per_run=6, device="cpu"), num_packs=9) == ["cpu"]


@pytest.mark.usefixtures("five_gpus")
def test_speeds_on_several_devices_are_not_those_on_one():
    gpus = training_device(LocalLauncher(devices_per_run=2))
    assert (gpus.name, gpus.recorded_name, gpus.num_bytes) == ("2 × NVIDIA B", "2 × NVIDIA B", 40960 * 2**20)
    cores = training_device(LocalLauncher(devices_per_run=2, device="cpu"))
    assert (cores.name, cores.recorded_name) == (f"2 × {this_processor().name}", "2 × cpu")
    assert training_device(LocalLauncher(device="cpu")).recorded_name == "cpu"
