"""The update as a pure function of its numbers: what `vmap` maps over runs and `torch.compile` compiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad, vmap

from sgdlab.models.layers import convolve_grouped
from sgdlab.training.backends.backend import Following, Stepwise, UpdateRule
from sgdlab.training.objective import Minibatches, Tensors, norm_sq

Gradients = Callable[[Tensors, Tensor, Tensor, Tensor, Tensor], tuple[Tensors, Tensor]]
"""(parameters, inputs, labels, l2, strengths) → gradients of the modified loss, and C_k without L2."""


def vmapped(rule: UpdateRule, like: Tensor) -> Stepwise:
    """One run's gradient, mapped over the runs by `torch.func.vmap`."""
    if rule.is_convolutional:
        rule = rule.with_convolution(convolve_grouped)  # of one group; the mapping makes them many
    gradients = modified_gradients(rule)

    def of_one(
        parameters: Tensors, inputs: Tensor, labels: Tensor, l2: Tensor, strength: Tensor
    ) -> tuple[Tensors, Tensor]:
        alone = tuple(p.unsqueeze(0) for p in parameters)
        found, losses = gradients(alone, inputs[None], labels[None], l2[None], strength[None])
        return tuple(g[0] for g in found), losses[0]

    return Stepwise(Following(_Mapped(vmap(of_one), *_constants(rule, like)), rule))


def compiled(rule: UpdateRule, like: Tensor) -> Stepwise:
    """All runs at once, compiled by `torch.compile` for these very shapes.

    Those of earlier packs are forgotten: a process may only hold a few variants of one function.
    """
    torch.compiler.reset()
    gradients = torch.compile(modified_gradients(rule), fullgraph=True, dynamic=False)
    return Stepwise(Following(_Mapped(gradients, *_constants(rule, like)), rule))


def modified_gradients(rule: UpdateRule) -> Gradients:
    """Return the gradients of Σ_r [C̃_r + (λ_r/4)·‖∇C̃_r‖²], C̃ the cost with its L2 term, exact."""
    objective, has_penalty = rule.objective, rule.strengths is not None

    def cost(parameters: Tensors, inputs: Tensor, labels: Tensor, l2: Tensor) -> tuple[Tensor, Tensor]:
        losses = objective.losses(parameters, Minibatches(inputs, labels))
        return (losses + l2 / 2 * norm_sq(parameters)).sum(), losses

    def modified(
        parameters: Tensors, inputs: Tensor, labels: Tensor, l2: Tensor, strengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        total, losses = cost(parameters, inputs, labels, l2)
        if not has_penalty:
            return total, losses
        gradients, _ = grad(cost, has_aux=True)(parameters, inputs, labels, l2)
        return total + (strengths / 4 * norm_sq(gradients)).sum(), losses

    return grad(modified, has_aux=True)


@dataclass(frozen=True)
class _Mapped:
    """An `UpdateDirection` from a pure function."""

    gradients: Gradients
    l2: Tensor  # (R,)
    strengths: Tensor  # (R,)

    def __call__(self, parameters: Tensors, batch: Minibatches) -> tuple[Tensor, Tensors]:
        """Return losses ``(R,)`` and the gradient of the modified loss."""
        values = tuple(p.detach() for p in parameters)
        gradients, losses = self.gradients(values, batch.inputs, batch.labels, self.l2, self.strengths)
        return losses, gradients


def _constants(rule: UpdateRule, like: Tensor) -> tuple[Tensor, Tensor]:
    zeros = like.new_zeros(rule.num_runs)
    l2, strengths = rule.objective.l2, rule.strengths
    return zeros if l2 is None else l2, zeros if strengths is None else strengths
