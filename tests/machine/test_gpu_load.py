"""GPUs as `nvidia-smi` tells of them, by a program of that name that says what the real one prints."""

import pytest

from sgdlab.machine.gpu_load import GpuLoad, gpu_loads

TWO = """\
0, GPU-1a2b, 97, 40536, 81559, 61, 512.34, NVIDIA H100 80GB HBM3
1, GPU-3c4d, [N/A], 0, 81559, [Not Supported], [Unknown Error], NVIDIA H100, odd name
"""


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put a program of that name on PATH, alone."""

    def put(body: str, mode: int = 0o755) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(mode)

    monkeypatch.setenv("PATH", str(tmp_path))
    return put


def test_gpus_are_told_with_what_they_do(nvidia_smi, tmp_path):
    nvidia_smi(f'echo "$@" > {tmp_path}/asked\n' + "".join(f"echo '{line}'\n" for line in TWO.splitlines()))
    loads = gpu_loads()
    assert loads.problem is None
    assert loads.gpus == (
        GpuLoad("0", "GPU-1a2b", "NVIDIA H100 80GB HBM3", 97.0, 40536.0, 81559.0, 61.0, 512.34),
        GpuLoad("1", "GPU-3c4d", "NVIDIA H100, odd name", None, 0.0, 81559.0, None, None),
    )
    assert (tmp_path / "asked").read_text().split() == [
        "--query-gpu=index,uuid,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw,name",
        "--format=csv,noheader,nounits",
    ]


@pytest.mark.parametrize(
    ("body", "mode", "problem"),
    [
        (None, 0, "no GPU: this machine has no nvidia-smi"),
        ("true", 0o755, "no GPU: nvidia-smi lists none"),
        ("echo NVIDIA-SMI has failed; echo more; exit 9", 0o755, "nvidia-smi: NVIDIA-SMI has failed"),
        ("exit 6", 0o755, "nvidia-smi: exit code 6"),
    ],
)
def test_where_there_is_none_it_says_why(nvidia_smi, body, mode, problem):
    if body is not None:
        nvidia_smi(body, mode)
    loads = gpu_loads()
    assert (loads.gpus, loads.problem) == ((), problem)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("1", True), ("0", False), ("GPU-3c", True), ("GPU-9", False), (None, False), ("10", False)],
)
def test_it_answers_to_its_number_and_to_its_uuid(name, expected):
    gpu = GpuLoad("1", "GPU-3c4d", "NVIDIA H100", None, None, None, None, None)
    assert gpu.is_called(name) is expected
