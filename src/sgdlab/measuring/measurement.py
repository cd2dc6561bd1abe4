"""Everything that is measured of one stored model: gradient noise, curvature, and how the two meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.data.pipeline import Pipeline
from sgdlab.diagnostics.curvature.eigenpairs import Eigenpairs, top_eigenpairs
from sgdlab.diagnostics.curvature.interaction import Interaction, interaction
from sgdlab.diagnostics.curvature.products import GaussNewtonProduct, HessianProduct
from sgdlab.diagnostics.curvature.spectral_density import SpectralDensity, spectral_density
from sgdlab.diagnostics.curvature.step import cosine
from sgdlab.diagnostics.curvature.trace import trace
from sgdlab.diagnostics.estimate import Estimate
from sgdlab.diagnostics.noise.covariance import gradient_covariance
from sgdlab.diagnostics.noise.moments import GradientMoments, gradient_moments
from sgdlab.diagnostics.noise.resultant import ResultantLength, resultant_length
from sgdlab.diagnostics.operators import SymmetricOperator
from sgdlab.diagnostics.risk import EmpiricalRisk
from sgdlab.errors import UserError
from sgdlab.measuring.stored_model import StoredModel
from sgdlab.models.build import build_network
from sgdlab.training.landscape import for_vmap, training_risk
from sgdlab.training.objective import Objective
from sgdlab.training.state import State


@dataclass(frozen=True)
class Effort:
    """How exact a measurement is to be."""

    num_pairs: int = 5
    tolerance: float = 1e-3
    num_passes: int = 4
    num_examples: int | None = None  # the first so many of the training set; None: all
    seed: int = 0


@dataclass(frozen=True)
class Measurement:
    """Of one model, over its training set; each tensor has one run."""

    model: StoredModel
    num_examples: int
    cost: float  # with the L2 term
    moments: GradientMoments
    resultant: ResultantLength  # of single examples' gradients
    hessian: Eigenpairs
    covariance: Eigenpairs  # of Σ, of single examples' gradients
    alignment: float  # |cos(q₁, ∇C)|
    hessian_trace: Estimate
    gauss_newton_trace: Estimate
    interaction: Interaction
    density: SpectralDensity

    @property
    def batch_size(self) -> int:
        """Of the run, at most what was measured on."""
        return min(self.model.run.optimizer.batch_size, self.num_examples)

    @property
    def batch_sizes(self) -> list[int]:
        """Powers of two up to N, and N."""
        powers = [2**k for k in range(self.num_examples.bit_length()) if 2**k < self.num_examples]
        return [*powers, self.num_examples]

    def batch_sharpness(self, batch_size: int) -> Estimate:
        """Return ‖H‖_{S_b}, with the standard error of its numerator."""
        met = self.interaction.with_batches(batch_size)
        second = self.moments.second_moment_trace(batch_size).value
        return Estimate(met.value / second, met.standard_error / second)


def measure_model(
    model: StoredModel,
    pipeline: Pipeline,
    effort: Effort,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Measurement:
    """Measure.

    Parameters
    ----------
    model
        Whose.
    pipeline
        Its data, on the device that is to do the work.
    effort
        How exactly.
    on_stage
        Told what is measured next.

    Raises
    ------
    UserError
        If something isn't finite, a number is out of range, or the network lacks a derivative.
    """
    risk, by_example = _risks(model, pipeline)
    if effort.num_examples is not None:
        if effort.num_examples > risk.num_examples:
            raise UserError(
                f"examples={effort.num_examples} is more than the {risk.num_examples} of the training set"
            )
        chosen = risk.examples[: effort.num_examples]
        risk, by_example = risk.on(chosen), by_example.on(chosen)
    product, seed = HessianProduct(risk), effort.seed
    on_stage("gradient noise")
    gradient, moments = risk.gradient(), gradient_moments(by_example)
    resultant = resultant_length(by_example)
    on_stage("eigenvalues of the gradient covariance")
    covariance = _top(gradient_covariance(risk), effort)
    on_stage("eigenvalues of the Hessian")
    hessian = _top(product, effort, start=gradient)
    on_stage("traces")
    passes = effort.num_passes
    traces = [trace(p, num_passes=passes, seed=seed) for p in (product, GaussNewtonProduct(risk))]
    on_stage("gradients and curvature together")
    met = interaction(product, num_passes=passes, seed=seed)
    on_stage("spectral density")
    density = spectral_density(product, num_vectors=max(2, passes // 2), seed=seed)
    return Measurement(
        model=model,
        num_examples=risk.num_examples,
        cost=risk.value().item(),
        moments=moments,
        resultant=resultant,
        hessian=hessian,
        covariance=covariance,
        alignment=cosine(hessian.vectors[:, 0], gradient).item(),
        hessian_trace=traces[0],
        gauss_newton_trace=traces[1],
        interaction=met,
        density=density,
    )


def _top(operator: SymmetricOperator, effort: Effort, start: Tensor | None = None) -> Eigenpairs:
    num_pairs = min(effort.num_pairs, operator.shape[1])
    return top_eigenpairs(operator, num_pairs, tolerance=effort.tolerance, start=start, seed=effort.seed)


def _risks(model: StoredModel, pipeline: Pipeline) -> tuple[EmpiricalRisk, EmpiricalRisk]:
    """Return the model's cost, and the same for `vmap` over examples."""
    run = model.run
    like = torch.zeros((), dtype=getattr(torch, run.precision), device=pipeline.train.labels.device)
    network = build_network(run.model, run.data)
    names = tuple(network.initial_parameters(torch.Generator().manual_seed(0)))
    values = {name: tensor.to(like).unsqueeze(0) for name, tensor in model.parameters.items()}
    objective = Objective(network, names, like.new_tensor([run.loss.l2]), run.loss.kind)
    buffers = {name: values[name] for name in values.keys() - set(names)}
    state = State(tuple(values[name] for name in names), buffers=buffers)
    return (
        training_risk(objective, state, pipeline),
        training_risk(for_vmap(objective), state, pipeline),
    )
