"""What is measured of runs at an evaluation: of each by itself, to the bit, whoever else is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sgdlab.config.landscape import NoLandscape
from sgdlab.config.schema import Run
from sgdlab.data.pipeline import Pipeline
from sgdlab.diagnostics.curvature.eigenpairs import Eigenpairs
from sgdlab.diagnostics.implicit_regularizer import gradient_statistics
from sgdlab.models.network import Network
from sgdlab.training.backends.backend import UpdateRule
from sgdlab.training.batches import UpdateBatches
from sgdlab.training.evaluation import Evaluator, evaluate
from sgdlab.training.landscape import Lookout
from sgdlab.training.objective import Minibatches, Objective, Tensors, norm_sq
from sgdlab.training.orders import sequential_epoch
from sgdlab.training.penalty import difference_penalty
from sgdlab.training.ranks import ALONE, Ranks
from sgdlab.training.state import State
from sgdlab.training.streams import stream

_PARTITION_SEED = 0  # the partition behind C_reg is the same for every run


@dataclass(frozen=True)
class Measured:
    """One run at one evaluation."""

    metrics: dict[str, float]
    test_correct: Tensor | None  # (M,) bool, on the CPU; None where there are no classes
    top: Eigenpairs | None = None  # of the Hessian, where the landscape is measured


@dataclass(frozen=True)
class Instruments:
    """Measures any K runs of a pack."""

    network: Network
    names: tuple[str, ...]  # of the parameters
    evaluator: Evaluator
    pipeline: Pipeline
    pack_width: int  # slots
    ranks: Ranks = ALONE  # which share the work, and all know what is measured
    examples_per_pass: int | None = None  # of a minibatch, at a time; None: all

    def measure(
        self,
        runs: Sequence[Run],
        state: State,
        batches: UpdateBatches,
        with_gradients: bool,
        learning_rates: Tensor,
        known: Eigenpairs | None,
    ) -> list[Measured]:
        """Measure each run.

        Parameters
        ----------
        runs
            K runs.
        state
            Theirs.
        batches
            Their latest minibatches; on the last one, penalties by finite differences have their error.
        with_gradients
            Whether C_reg and ‖∇C‖² are measured too; they cost an epoch.
        learning_rates
            Of the update that comes next, ``(K,)``; the landscape is one of SGD at some η.
        known
            Eigenpairs of these runs' Hessians at an earlier point.
        """
        parameters = state.parameters
        train = evaluate(self.evaluator, state, self.pipeline.train)
        test = evaluate(self.evaluator, state, self.pipeline.test)
        metrics = {
            "test_loss": test.loss,
            "train_loss": train.loss,
            "train_cost": train.loss + _l2_term(runs, parameters),
        }
        if test.accuracy is not None and train.accuracy is not None:
            metrics |= {"test_accuracy": test.accuracy, "train_accuracy": train.accuracy}
        if self.network.is_sequential:
            metrics |= {"test_perplexity": test.loss.exp(), "train_perplexity": train.loss.exp()}
        like, split = parameters[0].detach(), (self.ranks, self.examples_per_pass)
        rule = UpdateRule.of(runs, self.network, self.names, like, *split)
        difference = difference_penalty(rule.objective, rule.penalties)
        if difference is not None:
            metrics["penalty_relative_error"] = difference.relative_error(
                parameters, replace(batches.batch(-1), buffers=state.buffers)
            )
        if with_gradients:
            metrics |= self._gradient_statistics(rule.objective, state, runs[0].optimizer.batch_size)
        table = torch.stack([values.double().cpu() for values in metrics.values()], dim=1).tolist()
        correct = [None] * len(runs) if test.correct is None else list(test.correct.cpu())
        measured = [
            Measured(dict(zip(metrics, row, strict=True)), right)
            for row, right in zip(table, correct, strict=True)
        ]
        if isinstance(runs[0].landscape, NoLandscape):
            return measured
        lookout = Lookout(rule.objective, self.pipeline, self.pack_width)
        views = lookout.views(runs, state, learning_rates, known)
        return [
            Measured(one.metrics | view.metrics, one.test_correct, view.top)
            for one, view in zip(measured, views, strict=True)
        ]

    def _gradient_statistics(self, objective: Objective, state: State, batch_size: int) -> dict[str, Tensor]:
        train, labels = self.pipeline.train, self.pipeline.train.labels
        num_runs, is_sequential = len(state.parameters[0]), self.network.is_sequential
        buffers = {} if is_sequential else state.buffers

        def gradients(examples: Tensor) -> Tensors:
            nonlocal buffers
            if is_sequential and len(examples) < batch_size:  # those left over belong to no stream
                buffers = {}
            x, y = train.at(examples), labels[examples]
            inputs_of_all, labels_of_all = (of.expand(num_runs, *of.shape) for of in (x, y))
            batch = Minibatches(inputs_of_all, labels_of_all, buffers=buffers)
            found = objective.gradients(state.parameters, batch)[1]
            buffers = batch.observed if is_sequential else buffers
            return found

        partition = self._partition(len(labels), batch_size).to(labels.device)
        measured = gradient_statistics(gradients, partition, batch_size)
        return {"c_reg": measured.c_reg, "gradient_norm_sq": measured.gradient_norm_sq}

    def _partition(self, num_examples: int, batch_size: int) -> Tensor:
        """Return the examples in batches: at random, but of a sequential network as training reads them."""
        if not self.network.is_sequential:
            return torch.randperm(num_examples, generator=stream(_PARTITION_SEED, "partition"))
        read = sequential_epoch(num_examples, batch_size).flatten()
        return torch.cat([read, torch.arange(len(read), num_examples)])


def _l2_term(runs: Sequence[Run], parameters: Tensors) -> Tensor:
    """Return (l2/2)·‖ω‖² of each run, and 0 without L2 even where ‖ω‖² overflows."""
    norms = norm_sq(tuple(p.detach().double() for p in parameters))
    l2 = norms.new_tensor([run.loss.l2 for run in runs])
    return torch.where(l2 > 0, l2 / 2 * norms, 0)
