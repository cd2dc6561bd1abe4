"""The cost of a minibatch whose examples are split over ranks: every rank gets the whole one's gradients.

Shards are weighted by their numbers of examples, so that the mean is that of the minibatch where they are
uneven. The penalty's gradient takes two passes: g is summed over the ranks first, and then each shard's
H_r·g, for the g of the whole: Σ_r w_r·H_r·g = H·g. Differentiating ‖g_r‖² of the shards, as a backward pass
through an all-reduce of gradients would have it, gives Σ_r w_r·H_r·g_r: another penalty, of smaller batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.training.evaluation import Evaluated, Evaluator
from sgdlab.training.objective import Minibatches, Objective, Tensors, per_run
from sgdlab.training.ranks import ALONE, Ranks
from sgdlab.training.state import State


@dataclass(frozen=True)
class ShardedObjective(Objective):
    """An objective of whole minibatches; each rank computes on its own share of their examples."""

    ranks: Ranks = ALONE

    def gradients(self, parameters: Tensors, batch: Minibatches) -> tuple[Tensor, Tensors]:
        """Return losses ``(R,)`` and ∇C_k of each run's whole minibatch."""
        sums = self._weighted_losses(parameters, batch)
        losses, *gradients = self.ranks.sum([sums.detach(), *torch.autograd.grad(sums.sum(), parameters)])
        return losses, self._add_l2(tuple(gradients), parameters)

    def gradients_and_product(
        self, parameters: Tensors, batch: Minibatches, scale: Tensor
    ) -> tuple[Tensor, Tensors, Tensors]:
        """Return losses, g = ∇C_k and H_k·(scale·g) of each run's whole minibatch."""
        sums = self._weighted_losses(parameters, batch)
        own = torch.autograd.grad(sums.sum(), parameters, create_graph=True)
        losses, *gradients = self.ranks.sum([sums.detach(), *(g.detach() for g in own)])
        with torch.no_grad():
            total = self._add_l2(tuple(gradients), parameters)
            vectors = tuple(per_run(scale, g) * g for g in total)
        products = torch.autograd.grad(own, parameters, grad_outputs=vectors, materialize_grads=True)
        return losses, total, self._add_l2(tuple(self.ranks.sum(products)), vectors)

    def _weighted_losses(self, parameters: Tensors, batch: Minibatches) -> Tensor:
        """Return this rank's part of the mean losses, ``(R,)``."""
        num_examples = batch.labels.shape[1]
        own = self.ranks.share(num_examples)
        shard = Minibatches(batch.inputs[:, own].contiguous(), batch.labels[:, own].contiguous())
        losses = self.example_losses(parameters, shard)
        return losses.sum(dim=1) / num_examples


@dataclass(frozen=True)
class ShardedEvaluator:
    """Each rank evaluates its own share of the examples."""

    evaluate: Evaluator
    ranks: Ranks

    def __call__(self, state: State, inputs: Tensor, labels: Tensor) -> Evaluated:
        """Evaluate; see `Evaluator`."""
        own = self.ranks.share(len(labels))
        found = self.evaluate(state, inputs[own], labels[own])
        weight = (own.stop - own.start) / len(labels)
        (loss,) = self.ranks.sum([found.loss * weight if weight else torch.zeros_like(found.loss)])
        if found.correct is None:
            return Evaluated(loss, None, len(labels))
        per_example = math.prod(labels.shape[1:])
        correct = found.correct.new_zeros(len(found.correct), labels.numel(), dtype=torch.uint8)
        correct[:, own.start * per_example : own.stop * per_example] = found.correct
        (correct,) = self.ranks.sum([correct])
        return Evaluated(loss, correct.bool(), len(labels))
