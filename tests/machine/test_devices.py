"""What trains here, told without torch: the driver's list, what CUDA is shown of it, and the memory."""

import psutil
import pytest

from sgdlab.machine import devices
from sgdlab.machine.devices import Device, this_processor, visible_gpus
from sgdlab.machine.processor import processor

A = Device("cuda", "NVIDIA H100 80GB HBM3", 81559 * 2**20)
B = Device("cuda", "Odd, with a comma", None)


@pytest.fixture(autouse=True)
def driver(tmp_path, monkeypatch):
    """A driver that knows two GPUs, and refuses questions that nvidia-smi doesn't know."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n"
        '[ "$*" = "--query-gpu=uuid,memory.total,name --format=csv,noheader,nounits" ] || exit 2\n'
        "echo 'GPU-aa, 81559, NVIDIA H100 80GB HBM3'\n"
        "echo 'GPU-bb, [N/A], Odd, with a comma'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


def test_gpus_have_the_driver_s_name_and_memory():
    assert visible_gpus() == [A, B]
    assert (A.recorded_name, this_processor().recorded_name) == (A.name, "cpu")


SHOWN = {"1": [B], "1,0": [B, A], "GPU-b": [B], "": [], "-1": [], "7": [Device("cuda", "GPU", None)]}


@pytest.mark.parametrize(("shown", "found"), SHOWN.items(), ids=SHOWN)
def test_cuda_is_shown_some_of_them(monkeypatch, shown, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert visible_gpus() == found


def test_a_driver_that_fails_has_none(driver):
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert visible_gpus() == []


def test_the_processor_has_what_the_container_allows(tmp_path, monkeypatch):
    limits = [tmp_path / "memory.max", tmp_path / "missing"]
    monkeypatch.setattr(devices, "_MEMORY_LIMITS", limits)
    total = psutil.virtual_memory().total
    for text, num_bytes in {"max": total, "1048576": 2**20, str(2**60): total}.items():
        limits[0].write_text(f"{text}\n")
        assert this_processor() == Device("cpu", processor(), num_bytes)
