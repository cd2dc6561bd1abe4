"""Products of a risk's curvature with vectors, over all its examples, a chunk at a time.

H = ∇²C = 1/N·Σ_i ∇²ℓ_i + l2·I, by double backward. G = 1/N·Σ_i J_iᵀ (∇²_z ℓ_i) J_i + l2·I, the generalised
Gauss-Newton matrix, J_i the Jacobian of the outputs z_i: by forward mode, then backward. H = G where the
outputs are linear in the parameters. Cost of a product, in gradients: H about 2.5 (after the first 1.5 for
chunks whose graph is kept), G about 2. Memory: a chunk's graph, a few times what its gradient needs, and a
few rows of P numbers a run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.func import jvp, vjp

from sgdlab.diagnostics.operators import OfRisk
from sgdlab.diagnostics.risk import refuse_not_finite
from sgdlab.diagnostics.vectors import Tensors, flatten, shape_like
from sgdlab.errors import UserError


@dataclass(frozen=True)
class _Curvature(OfRisk, ABC):
    def __call__(self, vectors: Tensor) -> Tensor:
        """Multiply over all examples: ``(R, P)`` → ``(R, P)``.

        Raises
        ------
        NotFiniteError
            If an entry isn't finite.
        UserError
            If the vectors have another shape, or the model lacks the derivatives that this takes.
        """
        self.refuse_other_shapes(vectors)
        return self._mean(self._parts(vectors), self.risk.num_examples, vectors)

    def over(self, examples: Tensor, vectors: Tensor) -> Tensor:
        """Multiply by the matrix of some examples alone, the L2 term included: ``(R, P)`` → ``(R, P)``.

        Raises
        ------
        NotFiniteError
            If an entry isn't finite.
        """
        chunks = torch.split(examples, self.risk.chunk_size)
        return self._mean((self.of_chunk(vectors, chunk) for chunk in chunks), len(examples), vectors)

    def _parts(self, vectors: Tensor) -> Iterator[Tensor]:
        """Give `of_chunk` of each chunk of all examples."""
        for chunk in self.risk.chunks():
            yield self.of_chunk(vectors, chunk)

    def _mean(self, parts: Iterable[Tensor], num_examples: int, vectors: Tensor) -> Tensor:
        total = torch.zeros_like(vectors)
        for part in parts:
            total += part
        total /= num_examples
        if self.risk.l2 is not None:
            total += self.risk.l2.unsqueeze(1) * vectors
        return refuse_not_finite(total, "a curvature product")

    @abstractmethod
    def of_chunk(self, vectors: Tensor, examples: Tensor) -> Tensor:
        """Return Σ_i over some examples of their matrix times the vector, without the L2 term: ``(R, P)``."""


@dataclass(frozen=True)
class HessianProduct(_Curvature):
    """H v.

    Parameters
    ----------
    risk
        Whose Hessian it is.
    num_kept
        Chunks the graph of whose gradient is kept from one product to the next, which then costs about half
        there. Memory is that of so many chunks and one more.

    Raises
    ------
    UserError
        When made, if the model has an operation that torch can differentiate only once: it would count as
        one without curvature.
    """

    num_kept: int = 1
    _kept: dict[int, _Gradients] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _refuse_once_differentiable(self._gradients(self.risk.examples[:1]).values)

    def of_chunk(self, vectors: Tensor, examples: Tensor) -> Tensor:
        """Return Σ_i ∇²ℓ_i v; see the class it extends."""
        return self._gradients(examples).derivative(vectors, is_kept=False)

    def _parts(self, vectors: Tensor) -> Iterator[Tensor]:
        for place, chunk in enumerate(self.risk.chunks()):
            if place >= self.num_kept:
                yield self.of_chunk(vectors, chunk)
                continue
            if place not in self._kept:
                self._kept[place] = self._gradients(chunk)
            yield self._kept[place].derivative(vectors, is_kept=True)

    def _gradients(self, examples: Tensor) -> _Gradients:
        leaves = self.risk.leaves()
        losses = self.risk.example_losses(leaves, examples)
        values = torch.autograd.grad(losses.sum(), leaves, create_graph=True, materialize_grads=True)
        return _Gradients(leaves, values)


@dataclass(frozen=True)
class _Gradients:
    """Σ_i ∇ℓ_i over a chunk, as a function of its leaves."""

    leaves: Tensors
    values: Tensors

    def derivative(self, vectors: Tensor, is_kept: bool) -> Tensor:
        """Return their derivative along ``(R, P)``."""
        directions = shape_like(vectors, self.leaves)
        return flatten(_backward_again(self.values, self.leaves, directions, is_kept))


@dataclass(frozen=True)
class GaussNewtonProduct(_Curvature):
    """G v."""

    def of_chunk(self, vectors: Tensor, examples: Tensor) -> Tensor:
        """Return Σ_i J_iᵀ (∇²_z ℓ_i) J_i v; see the class it extends."""
        parameters = tuple(p.detach() for p in self.risk.parameters)

        def outputs(*parameters: Tensor) -> Tensor:
            return self.risk.outputs(parameters, examples)

        values, pull_back, *_ = vjp(outputs, *parameters)
        _, pushed, *_ = jvp(outputs, parameters, shape_like(vectors, parameters))
        leaf = values.detach().requires_grad_()
        summed = self.risk.losses(leaf, examples).sum()
        slopes = torch.autograd.grad(summed, leaf, create_graph=True)
        (curved,) = _backward_again(slopes, (leaf,), (pushed.detach(),), is_kept=False)
        return flatten(pull_back(curved))


def _refuse_once_differentiable(gradients: Tensors) -> None:
    """Look for the node that torch leaves in place of a derivative it doesn't have; `grad` passes it by."""
    waiting = [g.grad_fn for g in gradients if g.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if node.name() == "torch::autograd::Error":
            raise UserError("the model has an operation without a second derivative (once_differentiable)")
        following = {n for n, _ in node.next_functions if n is not None} - seen
        seen |= following
        waiting += following


def _backward_again(gradients: Tensors, leaves: Tensors, vectors: Tensors, is_kept: bool) -> Tensors:
    """Return the derivative of ⟨gradients, vectors⟩ by the leaves; 0 where the gradients are constant."""
    reached = [(g, v) for g, v in zip(gradients, vectors, strict=True) if g.requires_grad]
    if not reached:
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    try:
        return torch.autograd.grad(
            [g for g, _ in reached],
            leaves,
            grad_outputs=[v for _, v in reached],
            retain_graph=is_kept,
            materialize_grads=True,
        )
    except RuntimeError as error:
        if "out of memory" in str(error):
            raise
        raise UserError(f"the model has no second derivatives that torch knows of: {error}") from error
