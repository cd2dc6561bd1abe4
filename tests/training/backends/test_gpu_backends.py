"""On a GPU every backend follows the trajectory that automatic differentiation on the CPU follows."""

import pytest
import torch

from sgdlab.config.datasets import DigitsData
from sgdlab.config.models import CnnModel, WideResNetModel
from sgdlab.training.backends.recipes import supported_backends
from sgdlab.training.backends.trial import choose_backend

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

GPU = torch.device("cuda", 0)
IMAGES = {"data": DigitsData(num_train=32, num_test=16)}
PACKS = {
    "relu": {"l2": 0.05},
    "relu, penalty": {"strength": 0.5, "l2": 0.05},
    "relu, augmented": {"data": DigitsData(num_train=32, num_test=16, crop_padding=1, flip=True)},
    "micro-batches": {"strength": 0.5, "batch_size": 8, "micro_batch_size": 2, "l2": 0.05},
    "cnn, noise of micro-batches": {
        **IMAGES,
        "model": CnnModel(channels=(4, 5)),
        "strength": 0.1,
        "batch_size": 8,
        "penalty": "gradient_noise",
        "micro_batch_size": 2,
    },
    "cnn": {**IMAGES, "model": CnnModel(channels=(4, 5))},
    "wide_resnet, penalty": {**IMAGES, "model": WideResNetModel(depth=10, width=1), "strength": 0.1},
}


def pack(make_run, options):
    return [make_run(seed=s, num_updates=20, every=20, lr=2.0 ** (-4 - s), **options) for s in range(3)]


def on_gpu(make_population, runs):
    population = make_population(runs, device=GPU)
    return supported_backends(population.rule, GPU)


@pytest.mark.parametrize("name", PACKS)
def test_all_backends_follow_one_trajectory(make_run, make_population, updated, name) -> None:
    runs = pack(make_run, PACKS[name])
    expected, start = updated(runs, 20), updated(runs, 0)
    backends = on_gpu(make_population, runs)
    assert "graph-batched" in backends
    assert not any(backend.startswith("native") for backend in backends)
    for backend in backends:
        ours = updated(runs, 20, device=GPU, backend=backend)
        for mine, theirs, at_first in zip(ours, expected, start, strict=True):
            for parameter, values in theirs.items():
                movement = (values - at_first[parameter]).abs().max().item()
                assert (mine[parameter] - values).abs().max().item() < 1e-10 * movement, (backend, parameter)


@pytest.mark.parametrize("backend", ["graph-written-out", "graph-batched"])
def test_a_graph_can_be_left_and_taken_up_again(make_run, train, checkpoints, backend) -> None:
    runs = [make_run(seed=seed, strength=0.1, num_updates=100) for seed in range(3)]
    whole = train(runs, device=GPU, backend=backend)
    assert train(runs, device=GPU, backend=backend, stop_after=37, checkpoints=checkpoints) is None
    resumed = train(runs, device=GPU, backend=backend, resume_from=checkpoints.latest)
    for ours, theirs in zip(resumed.runs, whole.runs, strict=True):
        assert ours.summary == theirs.summary


def test_a_trial_ends_with_a_backend(make_run, make_population, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    runs = pack(make_run, PACKS["relu"])
    assert choose_backend(runs, GPU, 100_000) in on_gpu(make_population, runs)
