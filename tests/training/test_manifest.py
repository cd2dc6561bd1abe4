import json

import torch

from sgdlab.training.manifest import Manifest


def here() -> Manifest:
    return Manifest.here(width=27, backend="batched", precision="float32", device=torch.device("cpu"))


def test_a_manifest_is_plain_json() -> None:
    assert json.loads(json.dumps(here().to_dict())) == here().to_dict()
    assert here().width == 27


def test_other_kernels_are_another_manifest(monkeypatch) -> None:
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    pinned = here()
    assert pinned == here()
    assert pinned.kernels == f"{torch.backends.cpu.get_cpu_capability()}, MKL AVX2"
    monkeypatch.delenv("MKL_CBWR")
    assert here() != pinned


def test_another_part_of_a_minibatch_is_another_manifest() -> None:
    in_parts = Manifest.here(27, "batched", "float32", torch.device("cpu"), examples_per_pass=64)
    assert (here().examples_per_pass, in_parts.examples_per_pass) == (None, 64)
    assert in_parts != here()


def test_another_number_of_devices_is_another_manifest() -> None:
    on_two = Manifest.here(27, "batched", "float32", torch.device("cpu"), num_devices=2)
    assert (here().num_devices, on_two.num_devices) == (1, 2)
    assert on_two != here()
