"""The landscape round a point, as a run's curves show it: what `config.landscape` names, of a pack together.

Definitions: b the batch size, η the learning rate, H the Hessian over all examples, q₁ its top eigenvector.

    noise        mean_gradient_sq = ‖∇C‖² = tr S_n; noise_trace = Γ; batch_gradient_sq = tr S_b;
                 concentration = ρ_b = tr S_n/tr S_b
    sharpness    sharpness = ‖H‖ with sharpness_residual; alignment = |cos(q₁, ∇C)|;
                 gradient_sharpness = ‖H‖_{S_n} = ∇CᵀH∇C/‖∇C‖²; relative_… = the same times η/2, so that the
                 edge of stability is at 1
    interaction  interaction = tr(H S_b) with interaction_se; batch_sharpness = ‖H‖_{S_b} = tr(H S_b)/tr S_b;
                 instability = η/2·tr(H S_b)/tr S_n, above 1 where lssr2022's condition (7) holds
    step         loss_change = E C(ω − η g_b) − C with loss_change_se; relative_loss_change = that over
                 η·tr S_n, which is instability − 1 where the loss is quadratic (lssr2022, eq. 6)
    valley       at p per cent of a step of gradient descent: valley_sharpness_p = ‖H_α‖_{S_n}/‖H‖_{S_n};
                 valley_loss_p = C(ω − α η ∇C) − C
    gap          of one update along the mean gradient: gap_statistic = η·∇C·(G − G_test), G and G_test the
                 mean gradients of training and test loss (roberts2018, eq. 9); gap_statistic_printed =
                 η·Γ/N + η·∇C·(G_test − G), as its §4 prints it; gap_change, measured
    update       of one update on a minibatch, in the mean: own_loss_change of the minibatch's own cost, and
                 test_loss_change of the test loss, each with …_se, and …_expected to first order: −η·tr S_b
                 and −η·∇C·G_test (roberts2018, eq. 6 to 8); loss_change_expected = −η‖∇C‖², that of the cost
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from sgdlab.config.landscape import METRICS, VALLEY_PERCENT, MeasuredLandscape, Quantity
from sgdlab.diagnostics.curvature.eigenpairs import Eigenpairs, top_eigenpairs
from sgdlab.diagnostics.curvature.interaction import Interaction, interaction_of_examples
from sgdlab.diagnostics.curvature.products import HessianProduct
from sgdlab.diagnostics.curvature.step import along_step, cosine, mean_loss_change
from sgdlab.diagnostics.noise.moments import GradientMoments, gradient_moments
from sgdlab.diagnostics.noise.overlap import loss_changes
from sgdlab.diagnostics.noise.sampling import Sampling
from sgdlab.diagnostics.risk import EmpiricalRisk
from sgdlab.diagnostics.vectors import dot, shape_like
from sgdlab.errors import UserError

_SEED = 0  # of every random direction: the same for each run and each evaluation
_NUM_PAIRS = 2  # tracked along training: where the first two change places, the new first one is at hand
_MAX_PRODUCTS = 100

Metrics = dict[str, Tensor]
"""Name → a value of each run, ``(R,)`` float64."""


@dataclass(frozen=True)
class Surroundings:
    """A point of each of R runs, and how each would go on from it."""

    train: EmpiricalRisk  # with the L2 term
    train_by_example: EmpiricalRisk  # the same, computed in a way that vmap over examples can take
    test: EmpiricalRisk | None  # without; only the gap and the update take it
    learning_rates: Tensor  # η, (R,)
    batch_size: int
    sampling: Sampling
    known: Eigenpairs | None = None  # at an earlier point

    @cached_property
    def product(self) -> HessianProduct:
        """H."""
        return HessianProduct(self.train)

    @cached_property
    def gradient(self) -> Tensor:
        """∇C, (R, P)."""
        return self.train.gradient()

    @cached_property
    def gradient_sq(self) -> Tensor:
        """‖∇C‖², (R,)."""
        return dot(self.gradient, self.gradient)

    @cached_property
    def interaction_of_mean(self) -> Tensor:
        """tr(H S_n) = ∇CᵀH∇C, (R,)."""
        return dot(self.gradient, self.product(self.gradient))

    @property
    def gradient_sharpness(self) -> Tensor:
        """‖H‖_{S_n}, (R,)."""
        return self.interaction_of_mean / self.gradient_sq

    @cached_property
    def moments(self) -> GradientMoments:
        """Of the examples' gradients."""
        return gradient_moments(self.train_by_example)

    @property
    def rates(self) -> Tensor:
        """η in float64."""
        return self.learning_rates.double()

    def top(self, tolerance: float) -> Eigenpairs:
        """Return the top eigenpairs of H."""
        return top_eigenpairs(
            self.product,
            min(_NUM_PAIRS, self.train.num_parameters),
            tolerance=tolerance,
            max_products=_MAX_PRODUCTS,
            guide=self.known,
            start=self.gradient,
            seed=_SEED,
        )


def measure_landscape(
    settings: MeasuredLandscape, surroundings: Surroundings
) -> tuple[Metrics, Eigenpairs | None]:
    """Measure the quantities that are asked for, and return the eigenpairs that were found on the way.

    Raises
    ------
    NotFiniteError
        If something isn't finite.
    UserError
        If the network lacks a derivative that a quantity takes, or a quantity lacks test data.
    """
    metrics: Metrics = {}
    top = None
    for quantity in settings.quantities:
        if quantity == "sharpness":
            top = surroundings.top(settings.tolerance)
            metrics |= _sharpness(surroundings, top)
        else:
            metrics |= _MEASURES[quantity](settings, surroundings)
    names = [name for quantity in settings.quantities for name in METRICS[quantity]]
    return {name: metrics[name].cpu() for name in names}, top


def _sharpness(at: Surroundings, top: Eigenpairs) -> Metrics:
    value = top.values[:, 0].to(at.rates)
    return {
        "sharpness": value,
        "sharpness_residual": top.residuals[:, 0],
        "alignment": cosine(top.vectors[:, 0], at.gradient),
        "gradient_sharpness": at.gradient_sharpness,
        "relative_sharpness": at.rates / 2 * value,
        "relative_gradient_sharpness": at.rates / 2 * at.gradient_sharpness,
    }


def _noise(_settings: MeasuredLandscape, at: Surroundings) -> Metrics:
    moments, b, sampling = at.moments, at.batch_size, at.sampling
    return {
        "mean_gradient_sq": moments.gradient_norm_sq.value,
        "noise_trace": moments.noise_trace.value,
        "batch_gradient_sq": moments.second_moment_trace(b, sampling).value,
        "concentration": moments.concentration(b, sampling).value,
    }


def _interaction(settings: MeasuredLandscape, at: Surroundings) -> Metrics:
    of_examples = interaction_of_examples(at.product, num_passes=settings.num_passes, seed=_SEED)
    every_size = Interaction(at.interaction_of_mean, of_examples, at.train.num_examples)
    found = every_size.with_batches(at.batch_size, at.sampling)
    return {
        "interaction": found.value,
        "interaction_se": found.standard_error,
        "batch_sharpness": found.value / at.moments.second_moment_trace(at.batch_size, at.sampling).value,
        "instability": at.rates / 2 * found.value / at.gradient_sq,
    }


def _step(settings: MeasuredLandscape, at: Surroundings) -> Metrics:
    found = mean_loss_change(
        at.train,
        at.gradient,
        at.learning_rates,
        at.batch_size,
        num_batches=settings.num_batches,
        seed=_SEED,
    )
    return {
        "loss_change": found.value,
        "loss_change_se": found.standard_error,
        "relative_loss_change": found.value / (at.rates * at.gradient_sq),
    }


def _valley(_settings: MeasuredLandscape, at: Surroundings) -> Metrics:
    fractions = [percent / 100 for percent in VALLEY_PERCENT]
    found, before = along_step(at.train, at.gradient, at.learning_rates, fractions), at.train.value()
    metrics = {}
    for percent, loss, sharpness in zip(VALLEY_PERCENT, found.loss, found.sharpness, strict=True):
        metrics[f"valley_sharpness_{percent}"] = sharpness / at.gradient_sharpness
        metrics[f"valley_loss_{percent}"] = loss - before
    return metrics


def _gap(_settings: MeasuredLandscape, at: Surroundings) -> Metrics:
    test = _test_of(at, "gap")
    train = replace(at.train, l2=None)  # the gap is one of losses; the L2 term only moves the parameters
    difference = train.gradient() - test.gradient()
    expected = at.rates * dot(at.gradient, difference)
    moved = shape_like(
        at.train.point() - at.learning_rates.to(at.gradient).unsqueeze(1) * at.gradient, train.parameters
    )
    before = test.value() - train.value()
    noise = at.rates * at.moments.noise_trace.value / train.num_examples
    return {
        "gap_statistic": expected,
        "gap_statistic_printed": noise - expected,
        "gap_change": test.at(moved).value() - train.at(moved).value() - before,
    }


def _update(settings: MeasuredLandscape, at: Surroundings) -> Metrics:
    found = loss_changes(
        at.train,
        _test_of(at, "update"),
        at.gradient,
        at.moments.second_moment_trace(at.batch_size).value,
        at.learning_rates,
        at.batch_size,
        num_batches=settings.num_batches,
        seed=_SEED,
    )
    return {
        "own_loss_change": found.own.value,
        "own_loss_change_se": found.own.standard_error,
        "own_loss_change_expected": found.own_expected,
        "test_loss_change": found.test.value,
        "test_loss_change_se": found.test.standard_error,
        "test_loss_change_expected": found.test_expected,
        "loss_change_expected": -at.rates * at.gradient_sq,
    }


def _test_of(at: Surroundings, quantity: Quantity) -> EmpiricalRisk:
    if at.test is None:
        raise UserError(f"landscape quantity {quantity} is about the test loss, and there are no test data")
    return at.test


_MEASURES: dict[Quantity, Callable[[MeasuredLandscape, Surroundings], Metrics]] = {
    "noise": _noise,
    "interaction": _interaction,
    "step": _step,
    "valley": _valley,
    "gap": _gap,
    "update": _update,
}
