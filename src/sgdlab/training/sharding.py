"""Evaluation that is shared by ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.training.evaluation import Evaluated, Evaluator
from sgdlab.training.ranks import Ranks
from sgdlab.training.state import State


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
