"""What a backend is to the population, and what all backends follow.

Every backend moves R runs along −∇C̃, C̃ the cost or the modified loss, by the same minibatches.
They differ in how: so in speed, in what they can compute, and in rounding. Which one trains a pack is no
part of a run's identity; it is fixed in the pack's manifest before the first update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from sgdlab.config.schema import Run
from sgdlab.models.layers import Convolution
from sgdlab.models.network import Network, is_stateless
from sgdlab.training.batches import UpdateBatches
from sgdlab.training.descent import PLAIN, Descent
from sgdlab.training.objective import Minibatches, Objective, UpdateDirection
from sgdlab.training.penalty import Penalties
from sgdlab.training.ranks import ALONE, Ranks
from sgdlab.training.splitting import SplitObjective
from sgdlab.training.state import State


class Backend(Protocol):
    """A way to make updates."""

    def advance(self, state: State, batches: UpdateBatches, rates: Tensor) -> Tensor:
        """Make U updates of all runs, in place.

        Parameters
        ----------
        state
            Of the R runs.
        batches
            The minibatches of the U updates.
        rates
            Learning rates ``(U, R)``, in the parameters' type; where a run's are all 0 nothing need be done.

        Returns
        -------
        Tensor
            C_k without its L2 term, before each update: ``(U, R)``.
        """
        ...


@dataclass(frozen=True)
class UpdateRule:
    """What the runs of a pack follow: their cost, a penalty each, all by one estimator, and how they do.

    Backends hold these very tensors: what `adopt` writes into them is followed from then on.
    """

    objective: Objective
    penalties: Penalties | None
    num_runs: int
    descent: Descent = PLAIN
    ranks: Ranks = ALONE  # that share the minibatches
    examples_per_pass: int | None = None  # of a minibatch, at a time; None: all

    @classmethod
    def of(
        cls,
        runs: Sequence[Run],
        network: Network,
        names: tuple[str, ...],
        like: Tensor,
        ranks: Ranks = ALONE,
        examples_per_pass: int | None = None,
    ) -> UpdateRule:
        """Return the rule of a pack; `like` has the parameters' type and device."""
        values = like.new_tensor([run.loss.l2 for run in runs])
        l2 = values if bool(values.any()) else None
        is_split, loss = ranks.size > 1 or examples_per_pass is not None, runs[0].loss.kind
        objective = (
            SplitObjective(network, names, l2, loss, ranks, examples_per_pass)
            if is_split
            else Objective(network, names, l2, loss)
        )
        penalties = Penalties.of([run.regularizer for run in runs], like)
        descent = Descent.of([run.optimizer for run in runs], like)
        return cls(objective, penalties, len(runs), descent, ranks, examples_per_pass)

    @property
    def strengths(self) -> Tensor | None:
        """λ of each run, ``(R,)``; None where no run has a penalty."""
        return None if self.penalties is None else self.penalties.strengths

    @property
    def is_exact(self) -> bool:
        """Whether there is no penalty, or its gradient is the exact one of whole minibatches."""
        return self.penalties is None or (self.penalties.estimator == "exact" and not self.has_micro_batches)

    @property
    def has_micro_batches(self) -> bool:
        """Whether a penalty is of the parts of a minibatch."""
        return self.penalties is not None and self.penalties.micro_batch_size is not None

    @property
    def is_stateless(self) -> bool:
        """Whether the loss is a function of parameters and examples alone."""
        return is_stateless(self.objective.network)

    @property
    def is_convolutional(self) -> bool:
        """Whether the network leaves it open how its convolutions are computed."""
        return hasattr(self.objective.network, "convolve")

    def with_convolution(self, convolve: Convolution) -> UpdateRule:
        """Return the rule with a convolutional network's convolutions computed that way."""
        network = replace(self.objective.network, convolve=convolve)  # type: ignore[type-var]
        return replace(self, objective=replace(self.objective, network=network))

    def adopt(self, other: UpdateRule) -> bool:
        """Follow other runs of the same shape from now on; False if only those have an L2 term."""
        ours, theirs = self.objective.l2, other.objective.l2
        if ours is None and theirs is not None:
            return False
        if ours is not None:
            ours.copy_(torch.zeros_like(ours) if theirs is None else theirs)
        if self.penalties is not None and other.penalties is not None:
            self.penalties.strengths.copy_(other.penalties.strengths)
            self.penalties.radius.copy_(other.penalties.radius)
        self.descent.adopt(other.descent)
        return True

    def of_run(self, slot: int) -> UpdateRule:
        """Return the rule of one run alone, as a pack of one: with the same tensors."""
        one, l2, penalties = slice(slot, slot + 1), self.objective.l2, self.penalties
        objective = replace(self.objective, l2=None if l2 is None else l2[one])
        if penalties is not None:
            penalties = replace(penalties, strengths=penalties.strengths[one], radius=penalties.radius[one])
        descent = self.descent.of_slots(one)
        return replace(self, objective=objective, penalties=penalties, num_runs=1, descent=descent)


class Step(Protocol):
    """One update of all runs, in place."""

    def __call__(self, state: State, batch: Minibatches, rates: Tensor) -> Tensor:
        """Update by rates ``(R,)``; return C_k before it: ``(R,)``."""
        ...


@dataclass(frozen=True)
class Stepwise:
    """A backend that makes one update after the other."""

    step: Step

    def advance(self, state: State, batches: UpdateBatches, rates: Tensor) -> Tensor:
        """Make the updates; see `Backend.advance`."""
        losses = [self.step(state, batches.batch(u), rates[u]) for u in range(len(rates))]
        return torch.stack(losses)


@dataclass(frozen=True)
class Following:
    """The step that goes along a direction, in the way of a rule; the network's buffers follow once."""

    direction: UpdateDirection
    rule: UpdateRule

    def __call__(self, state: State, batch: Minibatches, rates: Tensor) -> Tensor:
        """Make one update."""
        batch = replace(batch, buffers=state.buffers, observed={})
        losses, gradients = self.direction(state.parameters, batch)
        self.rule.descent(state, gradients, rates)
        network = self.rule.objective.network
        for name, observed in batch.observed.items():
            state.buffers[name].copy_(network.next_buffer(name, state.buffers[name], observed))
        return losses
