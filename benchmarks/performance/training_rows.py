"""The training rows: which work, against whom, and what is aimed at."""

from __future__ import annotations

from performance.peers import NewPeer
from performance.rows import RowSpec
from performance.training_group import (
    Comparison,
    NewClock,
    TrainingGroup,
    cadence_clock,
    floor_clock,
    packed_clock,
    peer_clock,
    plain_packed_clock,
    without_trainer_clock,
)
from performance.work import Work

SGDLAB, BARE, CHANNELS_LAST = "sgdlab", "PyTorch loop", "PyTorch loop, channels-last"
FUNCTIONAL, JAX, FLOOR = "torch.func", "JAX", "floor: torch.bmm"
_PLAIN, _NO_TRAINER, _EVALUATED = "sgdlab, plain step", "sgdlab, no Trainer", "sgdlab, evaluating"
_JAX_TARGETS = {27: 0.9, 81: 1.0}


def training_groups() -> list[TrainingGroup]:
    """Return all groups."""
    mlps = [_mlp(num_runs, is_penalised) for is_penalised in (False, True) for num_runs in _JAX_TARGETS]
    cnn = _conv("cnn", "CNN 3-16-32-64, B=32", {"kind": "cnn", "channels": [16, 32, 64]})
    wrn = _conv("wrn", "WRN-10-1 SkipInit, B=32", {"kind": "wide_resnet", "depth": 10, "width": 1})
    return [*mlps, _wide_mlp(), cnn, wrn]


def _mlp(num_runs: int, is_penalised: bool) -> TrainingGroup:
    kind = "exact" if is_penalised else "plain"
    title = f"MLP 40-64³-10, B=16, K={num_runs}, {'modified loss' if is_penalised else 'plain SGD'}"
    work = Work(title, "mnist1d", {"kind": "mlp", "hidden_widths": [64, 64, 64]}, 16, num_runs, is_penalised)
    name = f"{kind}-{num_runs}"
    jax = RowSpec(f"{name}-jax", title, "JAX, steady state", _JAX_TARGETS[num_runs])
    compiled = RowSpec(f"{name}-jax-compiled", title, "JAX, with compilation", _JAX_TARGETS[num_runs])
    comparisons = [Comparison(jax, JAX, SGDLAB), Comparison(compiled, JAX, SGDLAB, with_first_calls=True)]
    clocks = {
        SGDLAB: packed_clock,
        BARE: peer_clock(_bare, one_run=True),
        JAX: peer_clock(_jax),
        FLOOR: floor_clock,
    }
    if is_penalised:
        floor = RowSpec(f"{name}-floor", title, "floor of batched products", 1.6, "lower")
        plain = RowSpec(f"{name}-plain", title, "sgdlab's own plain step", None, "lower")
        bare = RowSpec(f"{name}-bare", title, "bare PyTorch loop")
        comparisons += [
            Comparison(bare, BARE, SGDLAB),
            Comparison(floor, SGDLAB, FLOOR),
            Comparison(plain, SGDLAB, _PLAIN),
        ]
        clocks[_PLAIN] = plain_packed_clock
        return TrainingGroup(name, work, clocks, tuple(comparisons), (SGDLAB, JAX, BARE, FLOOR))
    bare = RowSpec(f"{name}-bare", title, "bare PyTorch loop", 15.0)
    functional = RowSpec(f"{name}-functional", title, "torch.func: stack_module_state, vmap(grad)")
    floor = RowSpec(f"{name}-floor", title, "floor of batched products", None, "lower")
    comparisons = [
        Comparison(bare, BARE, SGDLAB),
        Comparison(functional, FUNCTIONAL, SGDLAB),
        *comparisons,
        Comparison(floor, SGDLAB, FLOOR),
    ]
    clocks[FUNCTIONAL] = peer_clock(_functional)
    if num_runs == 27:
        trainer = RowSpec(f"{name}-trainer", title, "the same without Lightning's Trainer", 1.05, "lower")
        evaluating = RowSpec(
            f"{name}-evaluating", f"{title}, evaluated every 4 epochs", "training alone", 1.2, "lower"
        )
        comparisons += [Comparison(trainer, SGDLAB, _NO_TRAINER), Comparison(evaluating, _EVALUATED, SGDLAB)]
        clocks |= {_NO_TRAINER: without_trainer_clock, _EVALUATED: cadence_clock}
    return TrainingGroup(name, work, clocks, tuple(comparisons), (SGDLAB, JAX, FUNCTIONAL, BARE, FLOOR))


def _wide_mlp() -> TrainingGroup:
    title = "MLP 784-256³-10, B=32, K=9"
    work = Work(title, "mnist", {"kind": "mlp", "hidden_widths": [256, 256, 256]}, 32, num_runs=9)
    bare = Comparison(RowSpec("wide-bare", title, "bare PyTorch loop", 1.3), BARE, SGDLAB)
    floor = Comparison(
        RowSpec("wide-floor", title, "floor of batched products", None, "lower"), SGDLAB, FLOOR
    )
    clocks: dict[str, NewClock] = {
        SGDLAB: packed_clock,
        BARE: peer_clock(_bare, one_run=True),
        FLOOR: floor_clock,
    }
    return TrainingGroup("wide", work, clocks, (bare, floor), tuple(clocks))


_CONV_UPDATES = 2000  # so few that compiling a network for a minute isn't worth trying


def _conv(name: str, network: str, model: dict[str, object]) -> TrainingGroup:
    """A convolutional network on images of 32×32×3; a small training set, since evaluating it takes long."""
    title = f"{network}, K=2"
    work = Work(
        title, "cifar10", model, 32, num_runs=2, num_train=256, num_test=1, num_sweep_updates=_CONV_UPDATES
    )
    loop = RowSpec(f"{name}-bare", title, "PyTorch loop as people write it (NCHW)", 1.3)
    last = RowSpec(f"{name}-channels-last", title, "the same loop in channels-last", 0.97)
    clocks: dict[str, NewClock] = {
        SGDLAB: packed_clock,
        BARE: peer_clock(_bare, one_run=True),
        CHANNELS_LAST: peer_clock(_channels_last, one_run=True),
    }
    comparisons = (Comparison(loop, BARE, SGDLAB), Comparison(last, CHANNELS_LAST, SGDLAB))
    return TrainingGroup(name, work, clocks, comparisons, tuple(clocks))


def _bare() -> NewPeer:
    from performance.torch_peers import BareLoop

    return BareLoop


def _channels_last() -> NewPeer:
    from performance.torch_peers import ChannelsLastLoop

    return ChannelsLastLoop


def _functional() -> NewPeer:
    from performance.torch_peers import Functional

    return Functional


def _jax() -> NewPeer:
    from performance.jax_peer import Jax

    return Jax
