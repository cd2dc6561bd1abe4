"""The Lightning peer does the same work as sgdlab.

The oracle of the modified loss is a dense Hessian: ∇(C + (λ/4)‖∇C‖²) = g + (λ/2)·H·g.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from peer_lightning.model import Classifier, Mlp
from peer_lightning.multirun import experiment_of
from sgdlab.config.schema import Run


def make_run(lr: float = 0.1, strength: float = 0.0, seed: int = 0, **changes: Any) -> Run:
    penalised = {"kind": "gradient_norm", "strength": strength}
    return Run.model_validate(
        {
            "seed": seed,
            "data": {"kind": "mnist1d"},
            "model": {"kind": "mlp", "hidden_widths": [8]},
            "loss": {"kind": "cross_entropy"},
            "regularizer": penalised if strength else {"kind": "none"},
            "optimizer": {"lr": lr, "batch_size": 16},
            "schedule": {"kind": "constant"},
            "budget": {"kind": "epochs", "num_epochs": 2},
            "evaluation": {"kind": "epochs", "every_num_epochs": 1},
        }
        | changes
    )


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_modified_loss_has_the_gradient_of_the_paper(l2: float) -> None:
    torch.manual_seed(0)
    classifier = Classifier(Mlp([3, 4, 2], "tanh"), lr=0.1, l2=l2, penalty=0.7).double()
    inputs, labels = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1])
    parameters = list(classifier.parameters())
    shapes = [parameter.shape for parameter in parameters]
    flat = torch.cat([parameter.detach().flatten() for parameter in parameters])

    def cost(vector: torch.Tensor) -> torch.Tensor:
        pieces = vector.split([shape.numel() for shape in shapes])
        w0, b0, w1, b1 = (piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True))
        logits = torch.tanh(inputs @ w0.T + b0) @ w1.T + b1
        return F.cross_entropy(logits, labels) + l2 / 2 * vector @ vector

    g = torch.autograd.functional.jacobian(cost, flat)
    hessian = torch.autograd.functional.hessian(cost, flat)

    classifier.training_step((inputs, labels), 0).backward()

    got = torch.cat([parameter.grad.flatten() for parameter in parameters])
    torch.testing.assert_close(got, g + 0.7 / 2 * hessian @ g)


def test_the_peer_gets_what_the_run_says() -> None:
    experiment = experiment_of(make_run(lr=0.25, strength=0.5, seed=3))
    assert experiment["num_updates"] == 500
    assert experiment["evaluate_every_num_updates"] == 250
    assert (experiment["lr"], experiment["penalty"], experiment["seed"]) == (0.25, 0.5, 3)
    assert experiment["hidden_widths"] == [8]


def test_work_that_the_peer_does_not_do_is_refused() -> None:
    run = make_run(optimizer={"lr": 0.1, "batch_size": 16, "inner_steps": 4})
    with pytest.raises(ValueError, match=r"the peer has no optimizer\.inner_steps=4, only 1"):
        experiment_of(run)
