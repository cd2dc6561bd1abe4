"""The landscape round the runs of a pack, each where it is in its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sgdlab.config.landscape import METRICS, MeasuredLandscape
from sgdlab.config.schema import Run
from sgdlab.data.examples import Examples
from sgdlab.data.pipeline import Pipeline
from sgdlab.diagnostics.curvature.eigenpairs import Eigenpairs
from sgdlab.diagnostics.landscape import Surroundings, measure_landscape
from sgdlab.diagnostics.risk import EmpiricalRisk, NotFiniteError
from sgdlab.models.layers import convolve_grouped
from sgdlab.training.losses import example_losses
from sgdlab.training.objective import Objective, Tensors
from sgdlab.training.state import State

_ELEMENTS_PER_CHUNK = 2**20  # of inputs, over all runs of a full pack


@dataclass(frozen=True)
class View:
    """One run's landscape."""

    metrics: dict[str, float]  # NaN where something of it isn't finite
    top: Eigenpairs | None  # of this run alone: where its next measurement starts


@dataclass(frozen=True)
class Lookout:
    """Measures any R runs of a pack together."""

    objective: Objective  # of any runs of the pack
    pipeline: Pipeline
    pack_width: int  # chunks are as large whichever of the runs are measured

    def views(
        self, runs: Sequence[Run], state: State, learning_rates: Tensor, known: Eigenpairs | None
    ) -> list[View]:
        """Measure what the runs ask for.

        Parameters
        ----------
        runs
            R runs of one shape, with `MeasuredLandscape`.
        state
            Theirs.
        learning_rates
            Of the update that comes next, ``(R,)``.
        known
            Eigenpairs at an earlier point of these runs.

        Raises
        ------
        UserError
            If the network lacks a derivative that a quantity takes.
        """
        settings = runs[0].landscape
        assert isinstance(settings, MeasuredLandscape)
        try:
            around = self._surroundings(runs, settings, state, learning_rates, known)
            metrics, top = measure_landscape(settings, around)
        except NotFiniteError:
            if len(runs) == 1:
                names = [name for quantity in settings.quantities for name in METRICS[quantity]]
                return [View(dict.fromkeys(names, float("nan")), None)]
            return [
                self.views(
                    runs[k : k + 1],
                    state.of_slots(slice(k, k + 1)),
                    learning_rates[k : k + 1],
                    known.of_run(k) if known else None,
                )[0]
                for k in range(len(runs))
            ]
        table = torch.stack(list(metrics.values()), dim=1).tolist()
        return [
            View(dict(zip(metrics, row, strict=True)), top.of_run(k) if top else None)
            for k, row in enumerate(table)
        ]

    def _surroundings(
        self,
        runs: Sequence[Run],
        settings: MeasuredLandscape,
        state: State,
        learning_rates: Tensor,
        known: Eigenpairs | None,
    ) -> Surroundings:
        optimizer, width = runs[0].optimizer, self.pack_width
        l2 = state.parameters[0].detach().new_tensor([run.loss.l2 for run in runs])
        objective = replace(self.objective, l2=l2)
        train, by_example = (
            training_risk(one, state, self.pipeline, width) for one in (objective, for_vmap(objective))
        )
        if settings.num_examples is not None:
            chosen = train.examples[: settings.num_examples]
            train, by_example = train.on(chosen), by_example.on(chosen)
        return Surroundings(
            train=train,
            train_by_example=by_example,
            test=held_out_risk(objective, state, self.pipeline, width),
            learning_rates=learning_rates,
            batch_size=min(optimizer.batch_size, train.num_examples),
            sampling="with" if optimizer.order == "with_replacement" else "without",
            known=known,
        )


def for_vmap(objective: Objective) -> Objective:
    """Return the objective with its convolutions, if any, computed as `torch.func.vmap` can take them."""
    if hasattr(objective.network, "convolve"):
        network = replace(objective.network, convolve=convolve_grouped)  # type: ignore[type-var]
        return replace(objective, network=network)
    return objective


def training_risk(
    objective: Objective, state: State, pipeline: Pipeline, pack_width: int = 1
) -> EmpiricalRisk:
    """Return the cost of R runs over the whole training set, not augmented.

    The networks are as in evaluation: nothing is dropped, and a normalisation goes by its running averages.

    Parameters
    ----------
    objective, state
        Of the runs.
    pipeline
        Their data.
    pack_width
        Runs by which chunks are measured out.
    """
    risk = _risk(objective, state, pipeline.train, pack_width)
    return replace(risk, l2=objective.l2)


def held_out_risk(
    objective: Objective, state: State, pipeline: Pipeline, pack_width: int = 1
) -> EmpiricalRisk:
    """Return the loss of R runs over the test set, as `training_risk` does, without an L2 term."""
    return _risk(objective, state, pipeline.test, pack_width)


def _risk(objective: Objective, state: State, half: Examples, pack_width: int) -> EmpiricalRisk:
    num_runs, labels = len(state.parameters[0]), half.labels
    everything = torch.arange(len(labels), device=labels.device)

    def for_all(chosen: Tensor) -> Tensor:
        return chosen.expand(num_runs, *chosen.shape)

    def outputs(parameters: Tensors, examples: Tensor) -> Tensor:
        values = objective.values(parameters, state.buffers)
        return objective.network.logits(values, for_all(half.at(examples)))

    def losses(logits: Tensor, examples: Tensor) -> Tensor:
        return example_losses(objective.loss, logits, for_all(half.at(examples)), for_all(labels[examples]))

    return EmpiricalRisk(
        outputs,
        losses,
        state.parameters,
        everything,
        chunk_size=max(16, _ELEMENTS_PER_CHUNK // (pack_width * half.at(everything[:1]).numel())),
    )
