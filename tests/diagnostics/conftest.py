"""Small problems in float64 whose derivatives are known without the code under test."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from sgdlab.diagnostics.modules import risk_of_module
from sgdlab.diagnostics.risk import EmpiricalRisk


@dataclass(frozen=True)
class SmallProblem:
    """A torch model on a few examples, and its derivatives by torch's own functional transforms."""

    model: nn.Module
    inputs: Tensor
    labels: Tensor

    def risk(self, **options: object) -> EmpiricalRisk:
        loss = nn.CrossEntropyLoss(reduction="none")
        return risk_of_module(self.model, loss, self.inputs, self.labels, **options)

    def loss_at(self, rows: Tensor, examples: slice | Tensor = slice(None)) -> Tensor:
        """The mean loss as a function of all parameters in a row, (P,)."""
        named, start = {}, 0
        for name, parameter in self.model.named_parameters():
            named[name] = rows[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
        outputs = functional_call(self.model, named, (self.inputs[examples],))
        return nn.functional.cross_entropy(outputs, self.labels[examples])

    @property
    def point(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.model.parameters()])

    def hessian(self) -> Tensor:
        """(P, P)."""
        return torch.autograd.functional.hessian(self.loss_at, self.point)

    def example_gradients(self) -> Tensor:
        """(N, P), one example after the other."""
        rows = [
            torch.autograd.functional.jacobian(lambda w, i=i: self.loss_at(w, slice(i, i + 1)), self.point)
            for i in range(len(self.inputs))
        ]
        return torch.stack(rows)


@pytest.fixture(scope="session")
def small() -> SmallProblem:
    """A network of tanh units on 23 examples in three classes: 35 parameters."""
    generator = torch.Generator().manual_seed(4)
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    inputs = torch.randn(23, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (23,), generator=generator)
    return SmallProblem(model, inputs, labels)
