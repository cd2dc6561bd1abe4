"""Products of a risk's curvature with vectors, over all its examples, a chunk at a time.

H = ∇²C = 1/N·Σ_i ∇²ℓ_i + l2·I, by double backward. G = 1/N·Σ_i J_iᵀ (∇²_z ℓ_i) J_i + l2·I, the generalised
Gauss-Newton matrix, J_i the Jacobian of the outputs z_i: by forward mode, then backward. H = G where the
outputs are linear in the parameters. Cost of a product, in gradients: H about 2.5 (1.5 after the first where
one chunk holds all examples), G about 2. Memory: a chunk's graph, a few times what its gradient needs, and a
few rows of P numbers a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.func import jvp, vjp

from sgdlab.diagnostics.operators import OfRisk
from sgdlab.diagnostics.risk import refuse_not_finite
from sgdlab.diagnostics.vectors import Tensors, flatten, shape_like
from sgdlab.errors import UserError


@dataclass(frozen=True)
class _Curvature(OfRisk):
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
        return self.over(self.risk.examples, vectors)

    def over(self, examples: Tensor, vectors: Tensor) -> Tensor:
        """Multiply by the matrix of some examples alone, the L2 term included: ``(R, P)`` → ``(R, P)``.

        Raises
        ------
        NotFiniteError
            If an entry isn't finite.
        """
        size, total = self.risk.chunk_size, torch.zeros_like(vectors)
        for chunk in [examples] if len(examples) <= size else torch.split(examples, size):
            total += self.of_chunk(vectors, chunk)
        total /= len(examples)
        if self.risk.l2 is not None:
            total += self.risk.l2.unsqueeze(1) * vectors
        return refuse_not_finite(total, "a curvature product")

    def of_chunk(self, vectors: Tensor, examples: Tensor) -> Tensor:
        """Return Σ_i over some examples of their matrix times the vector, without the L2 term: ``(R, P)``."""
        raise NotImplementedError


@dataclass(frozen=True)
class HessianProduct(_Curvature):
    """H v.

    Where all examples are one chunk, the graph of their gradient is kept for the next product, which then
    costs about half.

    Raises
    ------
    UserError
        When made, if the model has an operation that torch can differentiate only once: it would count as
        one without curvature.
    """

    def __post_init__(self) -> None:
        _, gradients = self._gradients(self.risk.examples[:1])
        _refuse_once_differentiable(gradients)

    def of_chunk(self, vectors: Tensor, examples: Tensor) -> Tensor:
        """Return Σ_i ∇²ℓ_i v; see the class it extends."""
        is_kept = examples is self.risk.examples
        leaves, gradients = self._of_everything if is_kept else self._gradients(examples)
        return flatten(_backward_again(gradients, leaves, shape_like(vectors, leaves), is_kept))

    @cached_property
    def _of_everything(self) -> tuple[Tensors, Tensors]:
        return self._gradients(self.risk.examples)

    def _gradients(self, examples: Tensor) -> tuple[Tensors, Tensors]:
        """Return leaves, and Σ_i ∇ℓ_i as a function of them."""
        leaves = self.risk.leaves()
        losses = self.risk.example_losses(leaves, examples)
        return leaves, torch.autograd.grad(losses.sum(), leaves, create_graph=True, materialize_grads=True)


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
