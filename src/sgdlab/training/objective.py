"""The cost of R runs on one minibatch each, and its gradients: plain, and of the modified loss.

C_k(ω) = mean loss of minibatch k + (l2/2)·‖ω‖². The modified loss is C_k + (λ/4)·‖∇C_k‖²
(smith2021, §2.3); its gradient is g + (λ/2)·H_k g with g = ∇C_k. The L2 term is added in closed form
everywhere: its gradient is l2·ω and its Hessian l2·I.

Costs of one update in gradients of C_k: plain 1; exact about 3; forward difference 2; central difference 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce

import torch
from torch import Tensor

from sgdlab.models.network import Network, TrainingPass
from sgdlab.training.losses import LossKind, example_losses

Tensors = tuple[Tensor, ...]

AlongGradients = Callable[[Tensors], Tensors]
"""Gradients of R runs → the vectors that their Hessians are multiplied with."""


@dataclass(frozen=True)
class Minibatches:
    """One minibatch for each run, and what else a forward pass over it takes."""

    inputs: Tensor  # (R, B, *sample_shape)
    labels: Tensor  # (R, B)
    draws: Tensor | None = None  # (R, B, num_draws), for networks that drop units
    buffers: Mapping[str, Tensor] = field(default_factory=dict)  # each (R, …), as the batch meets them
    starts: Tensor | None = None  # (R,) bool: see `TrainingPass`
    observed: dict[str, Tensor] = field(default_factory=dict)  # filled by the first pass: see `TrainingPass`


@dataclass(frozen=True)
class Objective:
    """The cost of R runs as a function of their parameters."""

    network: Network
    names: tuple[str, ...]  # of the parameters, in the order of every tuple of tensors here
    l2: Tensor | None  # (R,); None where every run's is 0
    loss: LossKind = "cross_entropy"

    def values(self, parameters: Tensors, buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what a network reads, by name."""
        return dict(zip(self.names, parameters, strict=True)) | dict(buffers)

    def losses(self, parameters: Tensors, batch: Minibatches) -> Tensor:
        """Return each run's mean loss, without the L2 term: ``(R,)``."""
        return self.example_losses(parameters, batch).mean(dim=1)

    def example_losses(self, parameters: Tensors, batch: Minibatches) -> Tensor:
        """Return the loss of each example in training: ``(R, B)``."""
        training = TrainingPass(batch.draws, batch.starts, batch.observed)
        logits = self.network.logits(self.values(parameters, batch.buffers), batch.inputs, training)
        return example_losses(self.loss, logits, batch.inputs, batch.labels)

    def gradients(self, parameters: Tensors, batch: Minibatches) -> tuple[Tensor, Tensors]:
        """Return losses ``(R,)`` and ∇C_k of each run, shaped as the parameters."""
        losses = self.losses(parameters, batch)
        gradients = torch.autograd.grad(losses.sum(), parameters)
        return losses.detach(), self._add_l2(gradients, parameters)

    def gradients_and_product(
        self, parameters: Tensors, batch: Minibatches, along: AlongGradients
    ) -> tuple[Tensor, Tensors, Tensors]:
        """Return losses, g = ∇C_k and H_k·along(g), exact by double backward."""
        losses = self.losses(parameters, batch)
        gradients = torch.autograd.grad(losses.sum(), parameters, create_graph=True)
        with torch.no_grad():
            total = self._add_l2(tuple(g.detach() for g in gradients), parameters)
            vectors = along(total)
        products = torch.autograd.grad(gradients, parameters, grad_outputs=vectors, materialize_grads=True)
        return losses.detach(), total, self._add_l2(products, vectors)

    def _add_l2(self, gradients: Tensors, vectors: Tensors) -> Tensors:
        """Return gradients + l2·vectors."""
        if self.l2 is None:
            return gradients
        return tuple(
            torch.addcmul(g, per_run(self.l2, g), v.detach()) for g, v in zip(gradients, vectors, strict=True)
        )


UpdateDirection = Callable[[Tensors, Minibatches], tuple[Tensor, Tensors]]
"""(parameters, batch) → losses ``(R,)`` and the gradient that SGD follows."""


def scaled(factors: Tensor, tensors: Tensors) -> Tensors:
    """Return each run's tensors times its factor, of ``(R,)``."""
    return tuple(per_run(factors, tensor) * tensor for tensor in tensors)


def per_run(values: Tensor, like: Tensor) -> Tensor:
    """View ``(R,)`` so that it broadcasts against ``(R, …)``."""
    return values.view(-1, *([1] * (like.dim() - 1)))


def norm_sq(tensors: Tensors) -> Tensor:
    """Return each run's squared Euclidean norm over all tensors: ``(R,)``.

    Added one by one: torch sums over a leading axis in another order for the last few runs.
    """
    return reduce(torch.add, (t.flatten(1).square().sum(dim=1) for t in tensors))
