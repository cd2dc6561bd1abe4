"""The landscape round the runs of a pack, each where it is in its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from sgdlab.config.landscape import METRICS, MeasuredLandscape
from sgdlab.config.schema import Run
from sgdlab.data.examples import Examples
from sgdlab.data.pipeline import Pipeline
from sgdlab.diagnostics.curvature.eigenpairs import Eigenpairs
from sgdlab.diagnostics.landscape import Surroundings, measure_landscape
from sgdlab.diagnostics.risk import EmpiricalRisk, NotFiniteError
from sgdlab.models.layers import convolve_grouped
from sgdlab.models.network import Network
from sgdlab.training.objective import Tensors

_ELEMENTS_PER_CHUNK = 2**20  # of inputs, over all runs of a full pack


@dataclass(frozen=True)
class View:
    """One run's landscape."""

    metrics: dict[str, float]  # NaN where something of it isn't finite
    top: Eigenpairs | None  # of this run alone: where its next measurement starts


@dataclass(frozen=True)
class Lookout:
    """Measures any R runs of a pack together."""

    network: Network
    names: tuple[str, ...]  # of the parameters
    pipeline: Pipeline
    pack_width: int  # chunks are as large whichever of the runs are measured

    def views(
        self, runs: Sequence[Run], parameters: Tensors, learning_rates: Tensor, known: Eigenpairs | None
    ) -> list[View]:
        """Measure what the runs ask for.

        Parameters
        ----------
        runs
            R runs of one shape, with `MeasuredLandscape`.
        parameters
            Theirs, each ``(R, …)``.
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
            around = self._surroundings(runs, settings, parameters, learning_rates, known)
            metrics, top = measure_landscape(settings, around)
        except NotFiniteError:
            if len(runs) == 1:
                names = [name for quantity in settings.quantities for name in METRICS[quantity]]
                return [View(dict.fromkeys(names, float("nan")), None)]
            return [
                self.views(
                    runs[k : k + 1],
                    tuple(p[k : k + 1] for p in parameters),
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
        parameters: Tensors,
        learning_rates: Tensor,
        known: Eigenpairs | None,
    ) -> Surroundings:
        optimizer, width = runs[0].optimizer, self.pack_width
        l2 = parameters[0].new_tensor([run.loss.l2 for run in runs])
        train, by_example = (
            training_risk(network, self.names, parameters, self.pipeline, l2, width)
            for network in (self.network, for_vmap(self.network))
        )
        if settings.num_examples is not None:
            chosen = train.examples[: settings.num_examples]
            train, by_example = train.on(chosen), by_example.on(chosen)
        return Surroundings(
            train=train,
            train_by_example=by_example,
            test=held_out_risk(self.network, self.names, parameters, self.pipeline, width),
            learning_rates=learning_rates,
            batch_size=min(optimizer.batch_size, train.num_examples),
            sampling="with" if optimizer.order == "with_replacement" else "without",
            known=known,
        )


def for_vmap(network: Network) -> Network:
    """Return the network with its convolutions, if any, computed as `torch.func.vmap` can take them."""
    if hasattr(network, "convolve"):
        return replace(network, convolve=convolve_grouped)  # type: ignore[type-var]
    return network


def training_risk(
    network: Network,
    names: tuple[str, ...],
    parameters: Tensors,
    pipeline: Pipeline,
    l2: Tensor,
    pack_width: int = 1,
) -> EmpiricalRisk:
    """Return the cost of R runs over the whole training set, not augmented.

    Parameters
    ----------
    network, names, parameters
        Of the runs, each parameter ``(R, …)``.
    pipeline
        Their data.
    l2
        Strength of the L2 term of each, ``(R,)``.
    pack_width
        Runs by which chunks are measured out.
    """
    risk = _risk(network, names, parameters, pipeline.train, pack_width)
    return replace(risk, l2=l2)


def held_out_risk(
    network: Network, names: tuple[str, ...], parameters: Tensors, pipeline: Pipeline, pack_width: int = 1
) -> EmpiricalRisk:
    """Return the loss of R runs over the test set, as `training_risk` does, without an L2 term."""
    return _risk(network, names, parameters, pipeline.test, pack_width)


def _risk(
    network: Network, names: tuple[str, ...], parameters: Tensors, half: Examples, pack_width: int
) -> EmpiricalRisk:
    num_runs, labels = len(parameters[0]), half.labels
    everything = torch.arange(len(labels), device=labels.device)

    def outputs(parameters: Tensors, examples: Tensor) -> Tensor:
        x = half.at(examples)
        return network.logits(dict(zip(names, parameters, strict=True)), x.expand(num_runs, *x.shape))

    def losses(logits: Tensor, examples: Tensor) -> Tensor:
        targets = labels[examples].expand(num_runs, -1)
        each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return each.view(num_runs, -1)

    return EmpiricalRisk(
        outputs,
        losses,
        parameters,
        everything,
        chunk_size=max(16, _ELEMENTS_PER_CHUNK // (pack_width * half.at(everything[:1]).numel())),
    )
