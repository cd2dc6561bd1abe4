"""What is measured of runs at an evaluation: of each by itself, to the bit, whoever else is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.config.schema import Run
from sgdlab.data.pipeline import Pipeline
from sgdlab.diagnostics.implicit_regularizer import gradient_statistics
from sgdlab.models.network import Network
from sgdlab.training.backends.backend import UpdateRule
from sgdlab.training.evaluation import evaluate
from sgdlab.training.objective import Minibatches, Tensors, norm_sq
from sgdlab.training.penalty import difference_penalty
from sgdlab.training.streams import stream

_PARTITION_SEED = 0  # the partition behind C_reg is the same for every run


@dataclass(frozen=True)
class Measured:
    """One evaluation of K runs."""

    metrics: dict[str, Tensor]  # name → (K,)
    test_correct: Tensor  # (K, M) bool


@dataclass(frozen=True)
class Instruments:
    """Measures any K runs of a pack, given their parameters, each ``(K, …)``."""

    network: Network
    names: tuple[str, ...]
    pipeline: Pipeline
    pack_width: int

    def measure(self, runs: Sequence[Run], parameters: Tensors) -> Measured:
        """Measure accuracies, losses and costs over the training and the test set."""
        named, pipeline = dict(zip(self.names, parameters, strict=True)), self.pipeline
        train = evaluate(self.network, named, pipeline.train_inputs, pipeline.train_labels, self.pack_width)
        test = evaluate(self.network, named, pipeline.test_inputs, pipeline.test_labels, self.pack_width)
        metrics = {
            "test_accuracy": test.accuracy,
            "test_loss": test.loss,
            "train_accuracy": train.accuracy,
            "train_loss": train.loss,
            "train_cost": train.loss + _l2_term(runs, parameters),
        }
        return Measured(metrics, test.correct)

    def measure_penalty_error(
        self, runs: Sequence[Run], parameters: Tensors, batch: Minibatches
    ) -> dict[str, Tensor]:
        """Measure the error of finite differences on one minibatch a run; nothing where there are none."""
        rule = self._rule(runs, parameters)
        difference = difference_penalty(rule.objective, rule.penalties)
        if difference is None:
            return {}
        return {"penalty_relative_error": difference.relative_error(parameters, batch)}

    def measure_gradients(self, runs: Sequence[Run], parameters: Tensors) -> dict[str, Tensor]:
        """Measure C_reg and ‖∇C‖² over the training set."""
        objective = self._rule(runs, parameters).objective
        inputs, labels = self.pipeline.train_inputs, self.pipeline.train_labels

        def gradients(examples: Tensor) -> Tensors:
            x, y = inputs[examples], labels[examples]
            batch = Minibatches(x.expand(len(runs), *x.shape), y.expand(len(runs), -1))
            return objective.gradients(parameters, batch)[1]

        partition = torch.randperm(len(labels), generator=stream(_PARTITION_SEED, "partition"))
        measured = gradient_statistics(gradients, partition.to(labels.device), runs[0].optimizer.batch_size)
        return {"c_reg": measured.c_reg, "gradient_norm_sq": measured.gradient_norm_sq}

    def _rule(self, runs: Sequence[Run], parameters: Tensors) -> UpdateRule:
        return UpdateRule.of(runs, self.network, self.names, parameters[0].detach())


def _l2_term(runs: Sequence[Run], parameters: Tensors) -> Tensor:
    """Return (l2/2)·‖ω‖² of each run, and 0 without L2 even where ‖ω‖² overflows."""
    norms = norm_sq(tuple(p.detach().double() for p in parameters))
    l2 = norms.new_tensor([run.loss.l2 for run in runs])
    return torch.where(l2 > 0, l2 / 2 * norms, 0)
