"""Penalties on a minibatch's micro-batches, by which a large batch carries what small ones would do.

A minibatch of B examples is M = B/b micro-batches of b, consecutive in it, with costs C_j, g_j = ∇C_j and
Hessians H_j; C is their mean, g = ∇C. The penalty's gradient is (λ/2)·(1/M) Σ_j H_j v_j, exact:

    gradient norm    (λ/4)·(1/M) Σ_j ‖g_j‖²        v_j = g_j        smith2021, eq. 1: λ·C_reg of batches of b
    gradient noise   (λ/4)·(1/M) Σ_j ‖g_j − g‖²    v_j = g_j − g    smith2021, eq. 2; roberts2018, §3

The second because Σ_j H_j g_j/M − H g = Σ_j H_j (g_j − g)/M. Each run takes M places of a pack, with its own
parameters in all of them and a micro-batch in each: the arithmetic of about 3 gradients of C, as for a
penalty of the whole minibatch, and M times the memory of a run's parameters and gradients, which takes
longer where these outweigh the micro-batches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial, reduce

import torch
from torch import Tensor

from sgdlab.training.objective import AlongGradients, Minibatches, Objective, Tensors, scaled


@dataclass(frozen=True)
class MicroBatchNormPenalty:
    """∇(C + (λ/4)·(1/M) Σ_j ‖∇C_j‖²)."""

    objective: Objective
    strengths: Tensor  # λ, (R,)
    size: int  # b, a divisor of every minibatch's B

    def __call__(self, parameters: Tensors, batch: Minibatches) -> tuple[Tensor, Tensors]:
        """Return losses ``(R,)`` and the gradient of the modified loss."""
        places = _Places.of(batch, self.size)
        along = partial(scaled, places.spread(self.strengths / 2))
        return places.direction(self.objective, parameters, along)


@dataclass(frozen=True)
class MicroBatchNoisePenalty:
    """∇(C + (λ/4)·(1/M) Σ_j ‖∇C_j − ∇C‖²)."""

    objective: Objective
    strengths: Tensor  # λ, (R,)
    size: int  # b, a divisor of every minibatch's B

    def __call__(self, parameters: Tensors, batch: Minibatches) -> tuple[Tensor, Tensors]:
        """Return losses ``(R,)`` and the gradient of the modified loss."""
        places = _Places.of(batch, self.size)
        halves = places.spread(self.strengths / 2)

        def along(gradients: Tensors) -> Tensors:
            return scaled(halves, tuple(g - places.spread(places.mean(g)) for g in gradients))

        return places.direction(self.objective, parameters, along)


@dataclass(frozen=True)
class _Places:
    """The R·M places of R runs whose minibatches are cut into M micro-batches each."""

    batch: Minibatches  # of the runs
    count: int  # M

    @classmethod
    def of(cls, batch: Minibatches, size: int) -> _Places:
        return cls(batch, batch.labels.shape[1] // size)

    def direction(
        self, objective: Objective, parameters: Tensors, along: AlongGradients
    ) -> tuple[Tensor, Tensors]:
        """Return each run's loss, and the mean over its places of g_j + H_j·along(g)_j."""
        own = tuple(self.spread(p.detach()).requires_grad_() for p in parameters)
        l2 = None if objective.l2 is None else self.spread(objective.l2)
        micro_batches = self._micro_batches()
        losses, gradients, products = replace(objective, l2=l2).gradients_and_product(
            own, micro_batches, along
        )
        self.batch.observed.update(
            {name: self.mean(values) for name, values in micro_batches.observed.items()}
        )
        return self.mean(losses), tuple(self.mean(g + p) for g, p in zip(gradients, products, strict=True))

    def spread(self, of_runs: Tensor) -> Tensor:
        """Give each place what its run has: ``(R, …)`` → ``(R·M, …)``."""
        return of_runs.repeat_interleave(self.count, dim=0)

    def mean(self, of_places: Tensor) -> Tensor:
        """Take the mean over a run's places, ``(R·M, …)`` → ``(R, …)``, in an order that no pack changes."""
        return reduce(torch.add, of_places.view(-1, self.count, *of_places.shape[1:]).unbind(1)) / self.count

    def _micro_batches(self) -> Minibatches:
        batch = self.batch
        draws = None if batch.draws is None else self._cut(batch.draws)
        buffers = {name: self.spread(values) for name, values in batch.buffers.items()}
        return Minibatches(self._cut(batch.inputs), self._cut(batch.labels), draws, buffers)

    def _cut(self, examples: Tensor) -> Tensor:
        """Put micro-batches into places: ``(R, M·b, …)`` → ``(R·M, b, …)``."""
        num_runs, batch_size, *rest = examples.shape
        return examples.reshape(num_runs * self.count, batch_size // self.count, *rest)
