"""Each peer's update is sgdlab's update: from equal parameters, on the same minibatches, to rounding.

The peers share no code with sgdlab's training: torch.nn with autograd, torch.func, and JAX. In float64 the
tolerance is 1e-9 of the movement: six updates of some hundred operations, each of relative error 1e-16, leave
four digits to spare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from performance.peers import NotTheSameError, check_same
from performance.torch_peers import BareLoop, ChannelsLastLoop, Functional
from performance.work import Work

_MLP = Work("MLP", "mnist1d", {"kind": "mlp", "hidden_widths": [12, 12]}, 8, 3, precision="float64")
_WRN = Work("WRN", "cifar10", {"kind": "wide_resnet", "depth": 10, "width": 1}, 4, 2, precision="float64")
_CNN = Work("CNN", "cifar10", {"kind": "cnn", "channels": [4, 6]}, 4, 2, precision="float64")
_PENALISED = replace(_MLP, is_penalised=True)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")  # measured speeds, compiled kernels


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.mark.parametrize(
    ("peer", "work"),
    [
        (BareLoop, _MLP),
        (BareLoop, _PENALISED),
        (Functional, _MLP),
        (BareLoop, _WRN),
        (ChannelsLastLoop, _WRN),
        (BareLoop, _CNN),
    ],
)
def test_torch_peers_make_sgdlabs_updates(peer: type, work: Work) -> None:
    check_same(peer, work, tolerance=1e-9)


@pytest.mark.parametrize("work", [_MLP, _PENALISED])
def test_jax_makes_sgdlabs_updates(work: Work) -> None:
    jax = pytest.importorskip("jax", reason="JAX is in the dependency group `bench`")
    from performance.jax_peer import Jax

    with jax.enable_x64(True):
        check_same(Jax, work, tolerance=1e-9)


@pytest.mark.parametrize("peer", [BareLoop, Functional])
def test_peers_take_the_rows_they_are_given(peer: type) -> None:
    """Two updates by the gradient's definition: autograd over one run's rows, written out here."""
    work = replace(_MLP, num_runs=2, num_train=24)
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    widths = (40, 12, 12, 10)
    parameters = {f"weight{i}": draw(2, widths[i], widths[i + 1]) for i in range(3)}
    parameters |= {f"bias{i}": draw(2, widths[i + 1]) for i in range(3)}
    inputs, labels = draw(24, 40), torch.randint(10, (24,), generator=generator)
    indices = work.minibatches(2)

    trained = peer(work, parameters, inputs, labels)
    trained.advance(indices)
    got = trained.parameters()

    for slot, rate in enumerate(work.rates()):
        own = {name: values[slot].clone().requires_grad_() for name, values in parameters.items()}
        for rows in indices[:, slot]:
            hidden = inputs[rows]
            for layer in range(3):
                hidden = hidden @ own[f"weight{layer}"] + own[f"bias{layer}"]
                hidden = hidden.clamp(min=0) if layer < 2 else hidden
            loss = (hidden.logsumexp(1) - hidden[torch.arange(8), labels[rows]]).mean()
            gradients = torch.autograd.grad(loss, list(own.values()))
            own = {
                name: (values - rate * gradient).detach().requires_grad_()
                for (name, values), gradient in zip(own.items(), gradients, strict=True)
            }
        for name, values in own.items():
            torch.testing.assert_close(got[name][slot], values.detach())


class TwiceTheRate(BareLoop):
    """A wrong peer."""

    def __init__(self, work: Work, parameters: Mapping[str, Tensor], inputs: Tensor, labels: Tensor) -> None:
        super().__init__(work, parameters, inputs, labels)
        for optimizer in self._optimizers:
            optimizer.param_groups[0]["lr"] *= 2


def test_a_peer_that_computes_something_else_is_refused() -> None:
    with pytest.raises(NotTheSameError, match=r"MLP: after 6 updates a parameter of .*TwiceTheRate"):
        check_same(TwiceTheRate, _MLP)


def test_minibatches_are_shuffled_epochs() -> None:
    work = replace(_MLP, num_train=20)  # two batches of 8 an epoch: the last four examples wait for the next
    indices = work.minibatches(10)
    assert indices.shape == (10, 3, 8)
    for slot in range(3):
        epochs = indices[:, slot].flatten().view(4, 20)
        assert all(sorted(epoch.tolist()) == list(range(20)) for epoch in epochs)
