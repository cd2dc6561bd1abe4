"""Packs whose minibatches are split over several processes: the updates, runs and bits of a single one."""

import pickle
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.func import grad, hessian

from sgdlab.config.datasets import DigitsData
from sgdlab.config.models import CnnModel, MlpModel, WideResNetModel
from sgdlab.training.batches import Position
from sgdlab.training.ranks import Ranks

TANH = MlpModel(hidden_widths=(7, 10), activation="tanh")
PACKS = {  # of three runs, with minibatches of 5: neither 2 nor 3 divides them
    "plain": {},
    "L2": {"l2": 0.05},
    "exact": {"strength": 0.5},
    "exact, tanh, L2": {"strength": 0.5, "model": TANH, "l2": 0.05},
    "n-step": {"inner_steps": 3, "strength": 0.5},
    "fewer examples than ranks": {"batch_size": 2, "strength": 0.5},
    "micro-batches": {"batch_size": 6, "strength": 0.5, "l2": 0.05, "micro_batch_size": 3},
    "noise": {"batch_size": 6, "strength": 0.5, "penalty": "gradient_noise", "micro_batch_size": 3},
    "augmented": {"data": DigitsData(num_train=32, num_test=16, crop_padding=1, flip=True)},
}
CNN = {"data": DigitsData(num_train=32, num_test=16), "model": CnnModel(channels=(4, 5)), "strength": 0.1}


WIDE = {"data": DigitsData(num_train=40, num_test=16)}
# Minibatches of 10 in ghosts of 2: two ranks have 2 and 3 of them, three ranks 1, 2 and 2.
GHOSTS = {**WIDE, "model": WideResNetModel(depth=10, width=1, norm="batch", ghost_size=2), "batch_size": 10}
IN_PARTS = {
    "exact": ({"strength": 0.5, "l2": 0.05}, 1),
    "fewer examples than ranks": ({"batch_size": 2, "strength": 0.5}, 1),
    "central": ({"strength": 0.5, "model": TANH, "estimator": "central_difference", "radius": 0.1}, 2),
    "ghosts": ({**GHOSTS, "momentum": 0.9}, None),
    "ghosts in parts": ({**GHOSTS, "momentum": 0.9, "strength": 0.1}, 2),
    "dropout": ({**WIDE, "model": WideResNetModel(depth=10, width=1, dropout=0.5), "strength": 0.1}, None),
    "dropout in parts": ({**WIDE, "model": WideResNetModel(depth=10, width=1, dropout=0.5)}, 2),
}


@pytest.fixture(scope="module")
def together() -> Iterator[Callable]:
    """Let so many ranks do some work; return what each came to."""
    script = Path(__file__).with_name("several_ranks.py")
    process = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(num_ranks: int, kind: str, **work: object) -> list:
        question = pickle.dumps((num_ranks, kind, work))
        process.stdin.write(struct.pack("I", len(question)) + question)
        process.stdin.flush()
        folder = Path(process.stdout.readline().decode().rstrip("\n"))
        answers = [pickle.loads((folder / str(rank)).read_bytes()) for rank in range(num_ranks)]
        assert not any(isinstance(answer, RuntimeError) for answer in answers), answers
        return answers

    yield ask
    process.communicate()
    assert process.returncode == 0


@pytest.fixture
def pack(make_run):
    """Three runs that differ in all that a pack's may."""

    def make(**options):
        return [
            make_run(seed=seed, lr=2.0 ** (-4 - seed), **options | _scaled(options, seed))
            for seed in range(3)
        ]

    return make


def _scaled(options, seed):
    factors = {"strength": 1 + seed, "l2": seed}
    return {name: options[name] * factor for name, factor in factors.items() if name in options}


@pytest.mark.parametrize("num_ranks", [2, 3])
@pytest.mark.parametrize("name", PACKS)
def test_the_updates_are_those_of_one_process(together, pack, make_dataset, updated, name, num_ranks):
    runs = pack(**PACKS[name])
    for num_updates in (1, 20):
        work = {"runs": runs, "dataset": make_dataset(runs[0].data), "num_updates": num_updates}
        ranks = together(num_ranks, "Updates", **work)
        assert_close(ranks[0], updated(runs, num_updates), 1e-12)
        assert_same_on_all(ranks)


@pytest.mark.parametrize("estimator", ["forward_difference", "central_difference"])
def test_differences_go_along_the_gradient_of_the_whole_minibatch(
    together, pack, make_dataset, updated, estimator
):
    """A difference divides the rounding of gradients by its step: hence a long one, of 0.1."""
    runs = pack(strength=0.5, model=TANH, estimator=estimator, radius=0.1)
    work = {"runs": runs, "dataset": make_dataset(runs[0].data), "num_updates": 20}
    for num_ranks in (2, 3):
        ranks = together(num_ranks, "Updates", **work)
        assert_close(ranks[0], updated(runs, 20), 1e-12)
        assert_same_on_all(ranks)


@pytest.mark.parametrize("backend", ["per-run", "batched-grouped", "batched-unfolded"])
def test_convolutional_networks_are_shared_in_all_their_ways(together, pack, make_dataset, updated, backend):
    runs = pack(**CNN)
    work = {"runs": runs, "dataset": make_dataset(runs[0].data), "num_updates": 10, "backend": backend}
    assert_close(together(2, "Updates", **work)[0], updated(runs, 10), 1e-12)


@pytest.mark.parametrize("num_ranks", [2, 3])
@pytest.mark.parametrize("name", IN_PARTS)
def test_ranks_compute_their_shares_in_parts_and_agree_on_running_averages(
    together, pack, make_dataset, updated, name, num_ranks
):
    options, part = IN_PARTS[name]
    runs = pack(**options)
    work = {"runs": runs, "dataset": make_dataset(runs[0].data), "examples_per_pass": part}
    ranks = together(num_ranks, "Updates", **work, num_updates=4)
    assert_close(ranks[0], updated(runs, 4), 1e-12)
    assert_same_on_all(ranks)


def test_a_training_in_parts_on_two_ranks_is_that_of_one_process(together, pack, make_dataset):
    """Minibatches of 6 of 40 examples: those of C_reg end with one of 4, two ghosts for two ranks."""
    runs = pack(**{**GHOSTS, "batch_size": 6, "strength": 0.1, "num_updates": 6, "every": 3})
    work = {"runs": runs, "dataset": make_dataset(runs[0].data)}
    ((expected, _),) = together(1, "Training", **work)
    (found, _), _ = together(2, "Training", **work, examples_per_pass=2)
    for key, run in expected.items():
        assert {"c_reg.final", "test_accuracy.best"} <= set(found[key].summary)
        assert found[key].summary == pytest.approx(run.summary, rel=1e-9, abs=1e-12)
        assert_close({n: v[None] for n, v in found[key].parameters.items()}, [run.parameters], 1e-10)


def test_the_penalty_is_that_of_the_whole_minibatch_and_not_of_its_shards(
    together, make_run, make_population, make_dataset
):
    """Against torch.func's Hessian of the whole; differentiating ‖∇C‖² shard by shard is far from it."""
    run = make_run(model=MlpModel(hidden_widths=(3,), activation="tanh"), strength=1.0, lr=1.0, batch_size=4)
    dataset = make_dataset(run.data)
    population = make_population([run])
    start = torch.cat([p.detach().flatten() for p in population.stacked])
    batch = population._batches.prepare([Position(run.seed, 0)], 1).batch(0)

    def cost(parameters, rows):
        w0, b0, w1, b1 = (
            part.view(p.shape[1:])
            for part, p in zip(
                parameters.split([p.numel() for p in population.stacked]), population.stacked, strict=True
            )
        )
        logits = torch.tanh(batch.inputs[0, rows] @ w0 + b0) @ w1 + b1
        return torch.nn.functional.cross_entropy(logits, batch.labels[0, rows])

    def penalty(rows):
        return hessian(cost)(start, rows) @ grad(cost)(start, rows) / 2

    whole = slice(0, 4)
    expected = grad(cost)(start, whole) + penalty(whole)
    (found, _) = together(2, "Updates", runs=[run], dataset=dataset, num_updates=1)
    step = start - torch.cat([values.flatten() for values in found.values()])
    assert (step - expected).norm() < 1e-12 * expected.norm()
    naive = (penalty(slice(0, 2)) + penalty(slice(2, 4))) / 2
    assert (naive - penalty(whole)).norm() > 0.3 * penalty(whole).norm()


@pytest.mark.parametrize("num_ranks", [2, 3])
def test_whole_trainings_are_those_of_one_process(together, pack, make_run, make_dataset, num_ranks):
    """Evaluations, C_reg, a run that diverges beside the others, and runs that fill slots."""
    runs = [*pack(strength=0.25)[:2], make_run(lr=1e200, strength=0.25)]
    waiting = [make_run(seed=5, strength=0.125, num_updates=20), make_run(seed=6, strength=0.5, l2=0.01)]
    work = {"runs": runs, "dataset": make_dataset(runs[0].data), "waiting": waiting}
    ((expected, _),) = together(1, "Training", **work)
    (found, _), *others = together(num_ranks, "Training", **work)
    assert others == [None] * (num_ranks - 1)
    assert sorted(found) == sorted(expected) == ["0", "1", "2", "3", "4"]
    assert [found[key].state for key in "01234"] == ["done", "done", "diverged", "done", "done"]
    assert {"c_reg.final", "gradient_norm_sq.final", "test_accuracy.best"} <= set(found["0"].summary)
    for key, run in expected.items():
        assert found[key].diverged_at == run.diverged_at
        assert found[key].summary == pytest.approx(run.summary, rel=1e-9, abs=1e-12, nan_ok=True)
        assert found[key].curves.keys() == run.curves.keys()


@pytest.mark.parametrize("num_ranks", [2, 3])
def test_going_on_from_a_checkpoint_has_the_same_bits_in_whatever_slots(
    together, pack, make_dataset, num_ranks
):
    runs = pack(strength=0.25, model=TANH, precision="float32")
    work = {"runs": runs, "dataset": make_dataset(runs[0].data)}
    whole, _ = together(num_ranks, "Training", **work)[0]
    ended, states = together(num_ranks, "Training", **work, stop_after=13)[0]
    assert (ended, {state["update"] for state in states.values()}) == ({}, {13})
    rest, _ = together(num_ranks, "Training", **work, states=states, order=(2, 0, 1))[0]
    for key, run in whole.items():
        assert rest[key].summary == run.summary
        assert all(torch.equal(rest[key].parameters[name], values) for name, values in run.parameters.items())


def test_shares_are_everything_once_and_differ_by_one_at_most():
    for size in (1, 2, 3, 7):
        for count in (0, 1, 5, 21, 64):
            shares = [range(count)[Ranks(rank, size).share(count)] for rank in range(size)]
            assert [example for share in shares for example in share] == list(range(count))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_groups_stay_together_and_what_is_left_over_goes_to_the_last():
    for size, count, expected in [
        (3, 256, [64, 64, 128]),
        (2, 232, [64, 168]),  # 3·64 + 40
        (4, 128, [0, 64, 0, 64]),
        (3, 40, [0, 0, 40]),
    ]:
        shares = [range(count)[Ranks(rank, size).share(count, 64)] for rank in range(size)]
        assert [example for share in shares for example in share] == list(range(count))
        assert list(map(len, shares)) == expected


def assert_close(found, expected, tolerance):
    for slot, state in enumerate(expected):
        for name, values in state.items():
            error = (found[name][slot] - values).abs().max()
            assert error <= tolerance * values.abs().max(), (name, slot)


def assert_same_on_all(ranks):
    for other in ranks[1:]:
        assert all(torch.equal(other[name], values) for name, values in ranks[0].items())
