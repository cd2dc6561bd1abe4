"""A GPU computes what the CPU computes, up to rounding."""

import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

GPU = torch.device("cuda", 0)


@pytest.mark.parametrize("strength", [None, 0.1])
@pytest.mark.parametrize(("num_updates", "tolerance"), [(1, 1e-5), (200, 1e-5)])
def test_updates_are_those_of_the_cpu(
    make_run, make_population, updated, num_updates, tolerance, strength
) -> None:
    runs = [
        make_run(seed=seed, lr=2.0**-9, strength=strength, num_updates=num_updates, precision="float32")
        for seed in range(3)
    ]
    population = make_population(runs)
    cpu, gpu = updated(runs, num_updates), updated(runs, num_updates, device=GPU)
    for slot in range(3):
        for name, start in zip(population.names, population.stacked, strict=True):
            movement = (cpu[slot][name] - start[slot].detach()).norm()
            assert (gpu[slot][name] - cpu[slot][name]).norm() < tolerance * max(movement, start[slot].norm())


def test_training_on_a_gpu_can_be_stopped_and_resumed_to_the_bit(make_run, train, checkpoints) -> None:
    runs = [make_run(seed=seed, strength=0.1, num_updates=100, precision="float32") for seed in range(3)]
    whole = train(runs, device=GPU)
    assert train(runs, device=GPU, stop_after=37, checkpoints=checkpoints) is None
    resumed = train(runs, device=GPU, resume_from=checkpoints.latest)
    for ours, theirs in zip(resumed.runs, whole.runs, strict=True):
        assert ours.summary == theirs.summary
        assert all(torch.equal(ours.parameters[name], theirs.parameters[name]) for name in theirs.parameters)
