"""Risks whose per-example gradients are known: as numbers, and of a pack of networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sgdlab.diagnostics.risk import EmpiricalRisk
from sgdlab.diagnostics.vectors import Tensors


@pytest.fixture
def risk_with_gradients() -> Callable[..., EmpiricalRisk]:
    """A risk that is linear in ω, so that g_i is the i-th row whatever ω is: ``(N, P)``."""

    def make(gradients: Tensor, chunk_size: int = 64) -> EmpiricalRisk:
        return EmpiricalRisk(
            outputs=lambda parameters, examples: parameters[0] @ gradients[examples].T,
            losses=lambda outputs, _: outputs,
            parameters=(torch.zeros(1, gradients.shape[1], dtype=gradients.dtype),),
            examples=torch.arange(len(gradients)),
            chunk_size=chunk_size,
        )

    return make


@pytest.fixture
def pack() -> EmpiricalRisk:
    """Three networks with a hidden layer side by side, each with its own L2 term, on 11 examples."""
    generator = torch.Generator().manual_seed(8)

    def rows(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    inputs, labels = rows(11, 3), torch.arange(11) % 4

    def outputs(parameters: Tensors, examples: Tensor) -> Tensor:
        first, bias, second = parameters
        batch = inputs[examples].expand(len(first), -1, -1)
        return torch.tanh(torch.baddbmm(bias.unsqueeze(1), batch, first)) @ second

    def losses(outputs: Tensor, examples: Tensor) -> Tensor:
        batch = labels[examples].expand(len(outputs), -1)
        return cross_entropy(outputs.flatten(0, 1), batch.flatten(), reduction="none").view(len(outputs), -1)

    return EmpiricalRisk(
        outputs=outputs,
        losses=losses,
        parameters=(rows(3, 3, 5), rows(3, 5), rows(3, 5, 4)),
        examples=torch.arange(11),
        chunk_size=5,
        l2=torch.tensor([0.0, 0.1, 1.0], dtype=torch.float64),
    )


@pytest.fixture
def alone_run(pack: EmpiricalRisk) -> Callable[[int], EmpiricalRisk]:
    """One run of the pack, as a pack of one."""

    def make(run: int) -> EmpiricalRisk:
        one = slice(run, run + 1)
        assert pack.l2 is not None
        return replace(pack, parameters=tuple(p[one] for p in pack.parameters), l2=pack.l2[one])

    return make


@pytest.fixture
def example_gradients(small) -> Tensor:
    """Of the small problem, one example after the other: (23, 35)."""
    return small.example_gradients()
