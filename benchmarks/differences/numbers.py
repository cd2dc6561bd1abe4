"""The measured numbers as Markdown, and their place in docs/penalty.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from differences.cost import PACK_WIDTH, STEPS, arithmetic
from differences.product_error import ESTIMATORS
from differences.setting import ACTIVATIONS, Activation
from differences.study import PRECISIONS, TOLERABLE, Errors, State, Study
from differences.training_effect import STRENGTH, Outcome

BEGIN = "<!-- measured: make penalty-error -->"
END = "<!-- end of what was measured -->"
_STATES: tuple[State, ...] = ("fresh", "trained")
_SHOWN_RADII = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


def with_numbers(page: str, numbers: str) -> str:
    """Return the page with these numbers between its two marks.

    Raises
    ------
    ValueError
        If the page doesn't have both marks, in their order, once.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise ValueError(f"the page needs one line {BEGIN!r} and, below it, one line {END!r}")
    return f"{before}{BEGIN}\n{numbers}\n{END}{after}"


def describe(study: Study, provenance: str) -> str:
    """Write all tables."""
    return "\n".join(
        [*_errors(study), "", *_best(study), "", *_training(study), "", *_cost(study, provenance)]
    )


def _errors(study: Study) -> Iterator[str]:
    radii = [radius for radius in study.budget.radii if _is_shown(radius)]
    yield (
        "**Relative error of H·g in float32**, by step length r: median over "
        f"{study.budget.num_draws} draws, and the share of draws with an error above {TOLERABLE}."
    )
    yield ""
    yield from _header("activation", "network", "difference", *(f"r = {_short(radius)}" for radius in radii))
    for activation, state, estimator in product(ACTIVATIONS, _STATES, ESTIMATORS):
        errors = study.by_radius["float32", activation, state, estimator]
        cells = [_error_cell(errors, study.budget.radii.index(radius)) for radius in radii]
        yield _row(activation, state, estimator, *cells)


def _best(study: Study) -> Iterator[str]:
    yield (
        "**The best step length**: where the error that nine draws of ten stay below is smallest, over fresh "
        "and trained networks; and that error."
    )
    yield ""
    columns = list(product(PRECISIONS, ESTIMATORS))
    yield from _header("activation", *(f"{estimator}, {precision}" for precision, estimator in columns))
    for activation in ACTIVATIONS:
        yield _row(activation, *(_best_cell(study, activation, *column) for column in columns))


def _training(study: Study) -> Iterator[str]:
    budget = study.budget
    yield (
        f"**Test accuracy after {budget.num_updates:,} updates at λ = {STRENGTH:g}**: mean ± standard error "
        f"over those of {budget.num_seeds} runs that didn't diverge; in brackets the worst error of H·g that "
        "training reported, in the median run."
    )
    yield ""
    effects = study.training
    columns = [(effect, estimator) for effect in effects for estimator in ESTIMATORS]
    yield from _header("r", *(f"{effect.setting.activation}, {estimator}" for effect, estimator in columns))
    for i, radius in enumerate(budget.training_radii):
        outcomes: list[Outcome] = [getattr(effect, estimator)[i] for effect, estimator in columns]
        yield _row(_short(radius), *(_outcome_cell(outcome) for outcome in outcomes))
    for name, kind in (("exact", "exact"), ("no penalty", "plain")):
        outcomes = [getattr(effect, kind) for effect, _ in columns]
        yield _row(name, *(_outcome_cell(outcome) for outcome in outcomes))


def _cost(study: Study, provenance: str) -> Iterator[str]:
    yield (
        f"**CPU time of a step in a pack of {PACK_WIDTH}**, as a multiple of the plain step's, beside the "
        f"count of multiplications. {provenance}"
    )
    yield ""
    headings = [
        f"{kind}, {setting.depth} × {setting.width}, batch {setting.batch_size}"
        for setting in study.cost
        for kind in ("counted", "measured")
    ]
    yield from _header("step", *headings)
    for step in STEPS:
        pairs = [(arithmetic(setting)[step], ratios[step]) for setting, ratios in study.cost.items()]
        yield _row(step, *(f"{value:.2f}" for pair in pairs for value in pair))


def _is_shown(radius: float) -> bool:
    return bool(np.isclose(radius, _SHOWN_RADII).any())


def _short(value: float) -> str:
    """Write a number to one digit: 0.03, 2, 4e-5."""
    if 0.01 <= value < 9.5:
        return f"{value:.1g}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def _error_cell(errors: Errors, index: int) -> str:
    return f"{_short(errors.band.median[index])}, {errors.share_above[index]:.0%}"


def _best_cell(study: Study, activation: Activation, precision: str, estimator: str) -> str:
    states = [study.by_radius[precision, activation, state, estimator].band.high for state in _STATES]
    worst = np.maximum(*states)
    return f"r = {_short(study.budget.radii[int(worst.argmin())])}: {_short(worst.min())}"


def _outcome_cell(outcome: Outcome) -> str:
    if not len(outcome.test_accuracy):
        return "all diverged"
    parts = [f"{outcome.mean:.3f} ± {outcome.standard_error:.3f}"]
    if len(outcome.worst_error):
        parts.append(f"({_short(float(np.median(outcome.worst_error)))})")
    if outcome.num_diverged:
        parts.append(f"and {outcome.num_diverged} diverged")
    return " ".join(parts)


def _header(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield _row(*["---"] * len(names))


def _row(*cells: str) -> str:
    columns: Sequence[str] = cells
    return f"| {' | '.join(columns)} |"
