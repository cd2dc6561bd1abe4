"""The empirical risk at a point: C(ω) = 1/N·Σ_i ℓ_i(ω) + (l2/2)·‖ω‖², of R runs side by side.

Everything that is measured here is measured of such a risk: a sum over examples, taken a chunk at a time, so
that memory is bounded by the chunk and not by the data. `risk_of_module` makes one of any torch model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from sgdlab.diagnostics.vectors import Tensors, flatten
from sgdlab.errors import UserError


class NotFiniteError(UserError):
    """A loss or a derivative is infinite or not a number, so nothing can be measured there."""


@dataclass(frozen=True)
class EmpiricalRisk:
    """A mean of losses over N examples, at one point ω of each of R runs.

    Parameters
    ----------
    outputs
        (parameters, examples) → what the model says: ``(R, …)`` each, ``(b,)`` → ``(R, b, …)``.
    losses
        (outputs, examples) → ℓ_i of each run: ``(R, b)``.
    parameters
        ω, each ``(R, …)``.
    examples
        Which examples the mean is over, ``(N,)`` int64: what the two functions are asked for.
    chunk_size
        Examples at a time. Memory grows with it; results differ by rounding only.
    l2
        Strength of the L2 term of each run, ``(R,)``; it belongs to every example's loss.
    unit
        What one of the N is. The two functions take any number of examples at once, by vmap too; of ghost
        batches, whose examples are not independent, one at a time.

    Raises
    ------
    UserError
        If there is no example, no parameter, or the chunk is empty.
    """

    outputs: Callable[[Tensors, Tensor], Tensor]
    losses: Callable[[Tensor, Tensor], Tensor]
    parameters: Tensors
    examples: Tensor
    chunk_size: int
    l2: Tensor | None = None
    unit: Literal["example", "ghost batch"] = "example"

    def __post_init__(self) -> None:
        if len(self.examples) == 0:
            raise UserError("there is no example to measure on")
        if self.chunk_size < 1:
            raise UserError(f"chunk_size={self.chunk_size} must be at least 1: examples at a time")
        if not self.parameters:
            raise UserError("the model has no parameter to differentiate by")

    @property
    def num_runs(self) -> int:
        """R."""
        return len(self.parameters[0])

    @property
    def num_parameters(self) -> int:
        """P, of one run."""
        return sum(parameter[0].numel() for parameter in self.parameters)

    @property
    def num_examples(self) -> int:
        """N."""
        return len(self.examples)

    def at(self, parameters: Tensors) -> EmpiricalRisk:
        """Return the same risk at another point."""
        return replace(self, parameters=parameters)

    def on(self, examples: Tensor) -> EmpiricalRisk:
        """Return the risk over other examples."""
        return replace(self, examples=examples)

    def chunks(self) -> Iterator[Tensor]:
        """Go through the examples, a chunk at a time."""
        yield from torch.split(self.examples, self.chunk_size)

    def example_losses(self, parameters: Tensors, examples: Tensor) -> Tensor:
        """Return ℓ_i without the L2 term: ``(R, b)``."""
        found = self.losses(self.outputs(parameters, examples), examples)
        if found.shape != (self.num_runs, len(examples)):
            raise UserError(
                f"the loss gives {tuple(found.shape)} for {self.num_runs} runs and {len(examples)} examples: "
                f'it must give one number for each, as reduction="none" does'
            )
        return found

    def leaves(self) -> Tensors:
        """Return ω as tensors that may be differentiated by, and that share memory with `parameters`."""
        return tuple(parameter.detach().requires_grad_() for parameter in self.parameters)

    def point(self) -> Tensor:
        """Return ω as rows: ``(R, P)``."""
        return flatten([parameter.detach() for parameter in self.parameters])

    @torch.no_grad()
    def value(self) -> Tensor:
        """Return C of each run, ``(R,)`` float64."""
        parts = [self.example_losses(self.parameters, chunk).double().sum(dim=1) for chunk in self.chunks()]
        total = torch.stack(parts).sum(dim=0) / self.num_examples
        if self.l2 is not None:
            total = total + self.l2.double() / 2 * self.point().double().square().sum(dim=1)
        return total

    def gradient(self) -> Tensor:
        """Return ∇C of each run: ``(R, P)``.

        Raises
        ------
        NotFiniteError
            If some of its entries aren't finite.
        """
        weights = torch.full_like(self.examples, 1, dtype=self.parameters[0].dtype)
        return self.weighted_gradient(weights.expand(self.num_runs, -1) / self.num_examples)

    def weighted_gradient(self, weights: Tensor) -> Tensor:
        """Return Σ_i w_i·∇ℓ_i of each run, the L2 term included: ``(R, N)`` → ``(R, P)``.

        Raises
        ------
        NotFiniteError
            If some of its entries aren't finite.
        """
        leaves = self.leaves()
        total = torch.zeros_like(self.point())
        for chunk, w in zip(self.chunks(), torch.split(weights, self.chunk_size, dim=1), strict=True):
            summed = (w * self.example_losses(leaves, chunk)).sum()
            gradients = torch.autograd.grad(summed, leaves, materialize_grads=True)
            total += flatten(gradients)
        if self.l2 is not None:
            total += (self.l2 * weights.sum(dim=1)).unsqueeze(1) * self.point()
        return refuse_not_finite(total, "the gradient")


def refuse_not_finite(rows: Tensor, what: str) -> Tensor:
    """Return ``(R, …)`` as it is.

    Raises
    ------
    NotFiniteError
        If a run has an entry that isn't finite; it names the runs.
    """
    is_bad = ~rows.isfinite().flatten(1).all(dim=1)
    if bool(is_bad.any()):
        which = ", ".join(str(run) for run in is_bad.nonzero().flatten().tolist())
        of = "" if len(rows) == 1 else f" of run {which} (counted from 0)"
        raise NotFiniteError(f"{what}{of} isn't finite: the losses or the parameters are too large")
    return rows
