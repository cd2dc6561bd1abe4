"""Accuracy and loss of R runs over whole sets of examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sgdlab.data.examples import Examples
from sgdlab.models.network import TrainingPass
from sgdlab.training.losses import example_losses, hits
from sgdlab.training.objective import Objective
from sgdlab.training.state import State

NUM_STREAMS = 20  # side by side, over a text: as many as Zaremba et al. (2014) validate with
_ELEMENTS_PER_CHUNK = 2**20  # of inputs over all runs: activations stay in cache for small networks


@dataclass(frozen=True)
class Evaluated:
    """K runs on M examples."""

    loss: Tensor  # (K,) float64, the mean
    correct: Tensor | None  # (K, M) bool; (K, M·T) of sequences; None where there are no classes
    num_examples: int  # M

    @classmethod
    def of(cls, losses: Tensor, correct: Tensor | None) -> Evaluated:
        """Take the mean over examples of losses ``(K, M)``."""
        return cls(losses.double().mean(dim=1), correct, losses.shape[1])

    @property
    def accuracy(self) -> Tensor | None:
        """The share that is right, (K,) float64."""
        return None if self.correct is None else self.correct.double().mean(dim=1)

    @classmethod
    def over(cls, blocks: Sequence[Evaluated]) -> Evaluated:
        """Join what was found on the blocks of a set; one alone stays as it is, to the bit."""
        if len(blocks) == 1:
            return blocks[0]
        sizes = [block.num_examples for block in blocks]
        losses = [size / sum(sizes) * block.loss for size, block in zip(sizes, blocks, strict=True)]
        correct = [block.correct for block in blocks if block.correct is not None]
        return cls(torch.stack(losses).sum(dim=0), torch.cat(correct, dim=1) if correct else None, sum(sizes))


class Evaluator(Protocol):
    """A way to evaluate."""

    def __call__(self, state: State, inputs: Tensor, labels: Tensor) -> Evaluated:
        """Evaluate any K runs of a pack on inputs ``(M, *sample_shape)``; labels are ``(M,)``, ``(M, T)``."""
        ...


def evaluate(evaluator: Evaluator, state: State, examples: Examples) -> Evaluated:
    """Evaluate any K runs of the pack on a whole set, of which no more than a block is held at a time."""
    return Evaluated.over([evaluator(state, *block) for block in examples.blocks()])


@dataclass(frozen=True)
class BatchedEvaluator:
    """All runs at once, on as many examples at a time as the cache can hold for a whole pack.

    Whichever of its runs are evaluated, they are the same examples at a time: no bit depends on the others.
    """

    objective: Objective
    pack_width: int

    @torch.no_grad()
    def __call__(self, state: State, inputs: Tensor, labels: Tensor) -> Evaluated:
        """Evaluate; see `Evaluator`."""
        objective, num_runs = self.objective, len(state.parameters[0])
        values = objective.values(state.parameters, state.buffers)
        chunk = max(16, min(len(labels), _ELEMENTS_PER_CHUNK // (self.pack_width * inputs[0].numel())))
        correct: list[Tensor] = []
        losses: list[Tensor] = []
        for x, y in zip(torch.split(inputs, chunk), torch.split(labels, chunk), strict=True):
            inputs_of_all, targets = x.expand(num_runs, *x.shape), y.expand(num_runs, *y.shape)
            logits = objective.network.logits(values, inputs_of_all)
            losses.append(example_losses(objective.loss, logits, inputs_of_all, targets))
            if (right := hits(objective.loss, logits, targets)) is not None:
                correct.append(right.flatten(1))
        return Evaluated.of(torch.cat(losses, dim=1), torch.cat(correct, dim=1) if correct else None)


@dataclass(frozen=True)
class SequentialEvaluator:
    """All runs at once, of networks that go on where the example before ended: in 20 streams, side by side.

    Every example is read once, after the one that it follows; only a stream's first goes on from nothing.
    Where M mod 20 examples are left over, so many streams are longer by one.
    """

    objective: Objective

    @torch.no_grad()
    def __call__(self, state: State, inputs: Tensor, labels: Tensor) -> Evaluated:
        """Evaluate; see `Evaluator`."""
        objective, num_runs, num_examples = self.objective, len(state.parameters[0]), len(labels)
        num_streams = min(NUM_STREAMS, num_examples)
        length, num_longer = divmod(num_examples, num_streams)
        streams = torch.arange(num_streams, device=labels.device)
        firsts = streams * length + streams.clamp(max=num_longer)
        losses = state.parameters[0].new_empty(num_runs, num_examples)
        correct = torch.empty((num_runs, *labels.shape), dtype=torch.bool, device=labels.device)
        before: dict[str, Tensor] = {}
        for step in range(length + (num_longer > 0)):
            examples = firsts[: num_streams if step < length else num_longer] + step
            going_on = {name: values[:, : len(examples)] for name, values in before.items()}
            x, y = (of[examples].expand(num_runs, *of[examples].shape) for of in (inputs, labels))
            reading = TrainingPass()  # nothing is dropped
            logits = objective.network.logits(objective.values(state.parameters, going_on), x, reading)
            before = reading.observed
            losses[:, examples] = example_losses(objective.loss, logits, x, y)
            right = hits(objective.loss, logits, y)
            assert right is not None
            correct[:, examples] = right
        return Evaluated.of(losses, correct.flatten(1))
