"""Every backend follows the same trajectories: those of automatic differentiation of all runs at once."""

import math

import pytest
import torch

from sgdlab.config.components import BernoulliLoss, SquaredErrorLoss
from sgdlab.config.datasets import DigitsData, PtbData
from sgdlab.config.models import (
    AutoencoderModel,
    CnnModel,
    LstmModel,
    MlpModel,
    ResNet9Model,
    ResNet50Model,
    WideResNetModel,
)
from sgdlab.training.backends.backend import UpdateRule
from sgdlab.training.backends.recipes import make_backend, supported_backends
from sgdlab.training.batches import Position

CPU = torch.device("cpu")
IMAGES = {"data": DigitsData(num_train=32, num_test=16)}
AUGMENTED = {"data": DigitsData(num_train=32, num_test=16, crop_padding=1, flip=True)}
CNN = {**IMAGES, "model": CnnModel(channels=(4, 5))}
WIDE_RESNET = {**IMAGES, "model": WideResNetModel(depth=10, width=1)}
GHOSTS = {
    **IMAGES,
    "model": WideResNetModel(depth=10, width=1, norm="batch", ghost_size=4),
    "batch_size": 8,
}
DROPOUT = {**IMAGES, "model": WideResNetModel(depth=10, width=1, dropout=0.5)}
TEXT = {
    "data": PtbData(num_steps=3, num_train=22, num_test=8),
    "model": LstmModel(hidden_width=4, dropout=0.3, init_scale=0.3),
    "order": "sequential",
}
NORMALIZED_CNN = {**IMAGES, "model": CnnModel(channels=(4, 5), norm="batch"), "batch_size": 8}
RESNET9 = {
    **IMAGES,
    "model": ResNet9Model(channels=(4, 6, 8, 8), ghost_size=8),
    "batch_size": 16,
    "lr": 2**-10,  # at larger ones rounding grows fast: this network is no smooth function
}
RESNET9_PLAIN = {**IMAGES, "model": ResNet9Model(channels=(2, 3, 4, 5), norm="none")}
RESNET50 = {**IMAGES, "model": ResNet50Model(width=2, stem="3x3", ghost_size=4), "batch_size": 8}
AUTOENCODER = {
    "data": DigitsData(num_train=32, num_test=16, standardize="none"),
    "model": AutoencoderModel(encoder_widths=(9, 4)),
    "loss": BernoulliLoss(),
    "momentum": 0.9,
}
TANH = MlpModel(hidden_widths=(7, 10), activation="tanh")
NATIVE = {"native-256", "native-512"}
MLP_BACKENDS = {*NATIVE, "written-out", "batched", "vmapped", "compiled"}
STATELESS = {"vmapped", "compiled"}  # can't carry buffers, nor take draws
CONVOLUTIONAL = {"per-run", "batched", "batched-grouped", "batched-unfolded", "vmapped", "compiled"}

PACKS = {
    "relu": ({}, MLP_BACKENDS),
    "relu, L2": ({"l2": 0.05}, MLP_BACKENDS),
    "relu, penalty": ({"strength": 0.5}, MLP_BACKENDS),
    "relu, penalty, L2": ({"strength": 0.5, "l2": 0.05}, MLP_BACKENDS),
    "relu, augmented": ({**AUGMENTED, "strength": 0.1}, MLP_BACKENDS),
    "relu, n-step": ({"inner_steps": 3}, MLP_BACKENDS),
    "relu, one layer": ({"model": MlpModel(hidden_widths=()), "strength": 0.5, "l2": 0.05}, MLP_BACKENDS),
    "tanh": (
        {"model": MlpModel(hidden_widths=(7, 10), activation="tanh"), "l2": 0.05},
        MLP_BACKENDS - NATIVE,
    ),
    "tanh, penalty": (
        {"model": MlpModel(hidden_widths=(7, 10), activation="tanh"), "strength": 0.5, "l2": 0.05},
        MLP_BACKENDS - NATIVE,
    ),
    "gelu, penalty": (
        {"model": MlpModel(hidden_widths=(7,), activation="gelu"), "strength": 0.5},
        {"batched", "vmapped", "compiled"},
    ),
    "differences": ({"strength": 0.5, "estimator": "central_difference"}, {"batched"}),
    "micro-batches": ({"strength": 0.5, "batch_size": 8, "micro_batch_size": 2}, {"batched"}),
    "noise of micro-batches": (
        {"strength": 0.5, "batch_size": 8, "penalty": "gradient_noise", "micro_batch_size": 2, "l2": 0.05},
        {"batched"},
    ),
    "cnn, noise of micro-batches": (
        {**CNN, "strength": 0.1, "batch_size": 8, "penalty": "gradient_noise", "micro_batch_size": 2},
        {"batched", "batched-grouped", "batched-unfolded"},
    ),
    "momentum, L2": ({"momentum": 0.9, "l2": 0.05}, MLP_BACKENDS - {"written-out"}),
    "momentum, penalty": ({"momentum": 0.9, "strength": 0.5}, {"batched", "vmapped", "compiled"}),
    "clipped": ({"clip_norm": 0.3, "momentum": 0.5}, {"batched", "vmapped", "compiled"}),
    "squared error, penalty": (
        {"loss": SquaredErrorLoss(), "strength": 0.1},
        {"batched", "vmapped", "compiled"},
    ),
    "cnn": (CNN, CONVOLUTIONAL),
    "cnn, penalty": ({**CNN, "strength": 0.1, "l2": 0.05}, CONVOLUTIONAL),
    "wide_resnet, penalty": ({**WIDE_RESNET, "strength": 0.1}, CONVOLUTIONAL),
    "ghosts, penalty": ({**GHOSTS, "strength": 0.1, "momentum": 0.5}, CONVOLUTIONAL - STATELESS),
    "lstm, L2": ({**TEXT, "l2": 0.05, "clip_norm": 0.5}, {"per-run", "batched"}),
    "lstm, penalty": ({**TEXT, "strength": 0.1}, {"per-run", "batched"}),
    "cnn, batch norm": ({**NORMALIZED_CNN, "momentum": 0.5}, CONVOLUTIONAL - STATELESS),
    "resnet9, penalty": ({**RESNET9, "strength": 0.001}, CONVOLUTIONAL - STATELESS),
    "resnet9 without norm": (RESNET9_PLAIN, CONVOLUTIONAL),
    "autoencoder": (AUTOENCODER, {"batched", "vmapped", "compiled"}),
    "autoencoder, penalty": ({**AUTOENCODER, "strength": 0.01}, {"batched", "vmapped", "compiled"}),
    "dropout": ({**DROPOUT, "l2": 0.05}, CONVOLUTIONAL - STATELESS),
}


def pack(make_run, options):
    """Three runs that differ in all that a pack's may: seed, rate, λ and L2."""
    return [
        make_run(
            seed=seed,
            lr=options.get("lr", 2**-4) * 2.0**-seed,
            num_updates=20,
            every=20,
            **{name: value for name, value in options.items() if name != "lr"}
            | ({"strength": options["strength"] * seed} if "strength" in options else {})
            | ({"l2": options["l2"] * (2 - seed)} if "l2" in options else {}),
        )
        for seed in range(3)
    ]


def supported(make_population, runs) -> set[str]:
    return set(supported_backends(make_population(runs).rule, CPU))


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, {"batched"}), (CNN, {"per-run", "batched", "batched-grouped", "batched-unfolded"})],
)
def test_only_eager_differentiation_splits_minibatches(make_run, make_population, options, expected) -> None:
    population = make_population([make_run(**options)], examples_per_pass=2)
    assert set(supported_backends(population.rule, CPU)) == expected
    with pytest.raises(ValueError, match="written-out can't train"):
        make_backend("written-out", population.rule, torch.zeros(()))


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_has_the_backends_that_can_train_it(make_run, make_population, name) -> None:
    options, expected = PACKS[name]
    assert supported(make_population, pack(make_run, options)) == expected


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        pytest.param(name, backend, marks=pytest.mark.slow if backend == "compiled" else ())
        for name, (_, backends) in PACKS.items()
        for backend in sorted(backends - {"batched"})
    ],
)
def test_all_backends_follow_one_trajectory(make_run, updated, name, backend) -> None:
    for precision, tolerance, rounding in (("float64", 1e-11, 1e-15), ("float32", 1e-4, 1e-6)):
        runs = pack(make_run, PACKS[name][0] | {"precision": precision})
        expected = updated(runs, 20)
        start = updated(runs, 0)
        for ours, theirs, at_first in zip(updated(runs, 20, backend=backend), expected, start, strict=True):
            for parameter, values in theirs.items():
                movement = (values - at_first[parameter]).abs().max().item()
                assert movement > 0
                allowed = tolerance * movement + rounding * values.abs().max().item()
                assert (ours[parameter] - values).abs().max().item() < allowed, parameter


@pytest.mark.parametrize("backend", sorted(CONVOLUTIONAL - STATELESS - {"batched"}))
def test_a_resnet50_s_first_update_is_the_same(make_run, updated, backend) -> None:
    """Over fifty normalised layers a rounding error grows 10⁴ times within one update, ever more after it."""
    runs = pack(make_run, RESNET50)
    rows = (updated(runs, 1, backend=backend), updated(runs, 1), updated(runs, 0))
    for ours, theirs, start in zip(*rows, strict=True):
        for name, values in theirs.items():
            movement = (values - start[name]).abs().max().item()
            assert movement > 0
            assert (ours[name] - values).abs().max().item() < 1e-9 * movement + 1e-15 * values.abs().max()


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        pytest.param(name, backend, marks=pytest.mark.slow if backend == "compiled" else ())
        for name in ("relu, penalty, L2", "relu, L2", "differences", "cnn, penalty")
        for backend in sorted(PACKS[name][1])
    ],
)
def test_every_backend_follows_whoever_fills_a_slot(make_run, train, name, backend) -> None:
    """Seeds, rates, λ and L2 change with the run; the first has no L2 term, later ones bring it in."""
    runs = pack(make_run, PACKS[name][0])[::-1]
    assert runs[0].loss.l2 == 0
    refilled = train(runs[:1], waiting=runs[1:], backend=backend).runs
    for ours, run in zip(refilled, runs, strict=True):
        (alone,) = train([run], backend=backend).runs
        assert ours.summary == alone.summary
        assert all(torch.equal(ours.parameters[name], values) for name, values in alone.parameters.items())


@pytest.mark.parametrize("backend", sorted(NATIVE))
@pytest.mark.parametrize("batch_size", [1, 3, 8, 16, 17])
@pytest.mark.parametrize("widths", [(1,), (2, 3), (16, 33)])
def test_the_kernel_serves_all_sizes(make_run, updated, backend, batch_size, widths) -> None:
    """Padding to whole vectors, and tiles that are cut off, change nothing."""
    model = MlpModel(hidden_widths=widths)
    runs = [make_run(seed=s, model=model, batch_size=batch_size, strength=0.3, l2=0.01) for s in range(2)]
    for ours, theirs in zip(updated(runs, 5, backend=backend), updated(runs, 5), strict=True):
        for parameter, values in theirs.items():
            torch.testing.assert_close(ours[parameter], values, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("strength", [None, 0.5])
@pytest.mark.parametrize("backend", [*sorted(NATIVE), "written-out"])
def test_a_run_s_bits_are_its_own(make_run, updated, backend, strength, precision) -> None:
    """Neither the slot, nor the companions, nor the chunks that the updates come in change a bit."""
    runs = [
        make_run(seed=s, strength=strength, l2=0.01, precision=precision, num_updates=60) for s in range(5)
    ]
    together = updated(runs, 60, backend=backend)
    turned = updated(runs[::-1], 60, backend=backend)[::-1]
    for slot, run in enumerate(runs):
        alone = updated([run], 60, backend=backend)[0] if backend in NATIVE else turned[slot]
        for name, values in together[slot].items():
            assert torch.equal(values, turned[slot][name])
            assert torch.equal(values, alone[name])


@pytest.mark.parametrize("backend", [*sorted(NATIVE), "written-out", "vmapped"])
@pytest.mark.parametrize("strength", [None, 0.5])
def test_a_run_diverges_where_it_does_with_automatic_differentiation(
    make_run, train, backend, strength
) -> None:
    runs = [make_run(seed=seed, lr=lr, strength=strength) for seed, lr in enumerate((2**-4, 1e30, 2**-5))]
    theirs = train(runs).runs
    ours = train(runs, backend=backend).runs
    assert [run.state for run in ours] == ["done", "diverged", "done"]
    # what overflows first depends on the order of the products: a few updates this way or that
    assert ours[1].diverged_at == pytest.approx(theirs[1].diverged_at, abs=3)
    alone = train(runs[:1], backend=backend).runs[0]
    if backend in NATIVE:  # what a diverged neighbour leaves in the scratch memory reaches nobody
        assert all(torch.equal(values, alone.parameters[name]) for name, values in ours[0].parameters.items())


@pytest.mark.parametrize("backend", sorted(NATIVE))
def test_what_is_not_a_number_stays_so(make_run, make_population, backend) -> None:
    """A ReLU must not turn it into 0, or a run that has diverged would be taken for one that learns."""
    population = make_population([make_run()], backend=backend)
    with torch.no_grad():
        population.stacked[0][0, 0, 0] = math.nan
    batches = population._batches.prepare([Position(0, 0)], 1)
    losses = population.backend.advance(population.state, batches, torch.full((1, 1), 0.1).double())
    assert losses.isnan().all()


def test_a_backend_refuses_what_it_can_t_train(make_run, make_population) -> None:
    with pytest.raises(ValueError, match="backend native-256 can't train this pack on cpu"):
        make_population(
            [make_run(model=MlpModel(hidden_widths=(5,), activation="tanh"))], backend="native-256"
        )
    like = torch.empty(0, device="meta")
    rule = UpdateRule.of([make_run()], make_population([make_run()]).network, ("weight0",), torch.zeros(1))
    with pytest.raises(ValueError, match="backend graph-batched can't train this pack on meta"):
        make_backend("graph-batched", rule, like)
