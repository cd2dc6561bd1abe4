"""What is measured of the loss landscape along a run: its curves are part of the result, so of the identity.

Everything is over the training set with its L2 term, not augmented, at each evaluation of the run, with the
learning rate η of the update that comes next and the run's batch size b. Costs are in gradients over all
examples (or the sample), the R runs of a pack together; `num_example_gradients` adds them up:

===========  ================================================================  ============================
noise        ‖∇C‖² = tr S_n, Γ, tr S_b, ρ_b                                    12
sharpness    ‖H‖ and its residual, |cos(q₁, ∇C)|, ‖H‖_{S_n}                    3.5 + 2.5 a product: 5, and 2
                                                                               more for each digit
interaction  tr(H S_b), ‖H‖_{S_b}, tr(H S_b)/tr S_n                            3.5·num_passes + 15.5
step         E C(ω − η g_b) − C, over tr S_n                                   1.3 + (1/3 + b/n)·num_batches
valley       ‖H_α‖_{S_n}/‖H‖_{S_n} and C − C_α along a step of size η·∇C       18
gap          η·∇C·(∇C − ∇C_test), the printed form, the gap's measured change  15, and 1.7 of the test set
update       what an update does to its own minibatch's loss and to the test   13 + (5/3)·num_batches·b/n,
             loss, and both to first order                                     and (4 + num_batches)/3 of the
                                                                               test set
===========  ================================================================  ============================

The norms of all examples' gradients, behind Γ, count as 11: 4 to 19 were measured for perceptrons, 2 to 3
for convolutional networks. noise, interaction, gap and update need them once together. The numbers of
products are those of networks of digits that start from the pairs of the last evaluation; the first takes
half as many again. Where the precision can't reach the tolerance (1e-5 in float32, late in a training) it
takes 100 each.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from sgdlab.config.fields import Component, PositiveFloat, PositiveInt

Quantity = Literal["noise", "sharpness", "interaction", "step", "valley", "gap", "update"]

VALLEY_PERCENT = (25, 50, 75, 100, 125)  # of a step (lssr2022, fig. 3)

METRICS: dict[Quantity, tuple[str, ...]] = {
    "noise": ("mean_gradient_sq", "noise_trace", "batch_gradient_sq", "concentration"),
    "sharpness": (
        "sharpness",
        "sharpness_residual",
        "alignment",
        "gradient_sharpness",
        "relative_sharpness",
        "relative_gradient_sharpness",
    ),
    "interaction": ("interaction", "interaction_se", "batch_sharpness", "instability"),
    "step": ("loss_change", "loss_change_se", "relative_loss_change"),
    "valley": (
        *(f"valley_sharpness_{percent}" for percent in VALLEY_PERCENT),
        *(f"valley_loss_{percent}" for percent in VALLEY_PERCENT),
    ),
    "gap": ("gap_statistic", "gap_statistic_printed", "gap_change"),
    "update": (
        "own_loss_change",
        "own_loss_change_se",
        "own_loss_change_expected",
        "test_loss_change",
        "test_loss_change_se",
        "test_loss_change_expected",
        "loss_change_expected",
    ),
}
"""What each quantity adds to the curves of a run: docs/diagnostics.md defines them."""

_PASS = 1 / 3  # forward only; this and what follows are in gradients over the same examples
_PRODUCT = 2.5  # of the Hessian and a vector
_EXAMPLE_NORMS = 11.0
_SHARED: tuple[tuple[float, frozenset[Quantity]], ...] = (
    (1, frozenset({"sharpness", "interaction", "step", "valley", "gap", "update"})),  # ∇C
    (1 + _EXAMPLE_NORMS, frozenset({"noise", "interaction", "gap", "update"})),  # Γ
    (_PRODUCT, frozenset({"sharpness", "interaction", "valley"})),  # ∇CᵀH∇C
)


def _in_order(quantities: tuple[Quantity, ...]) -> tuple[Quantity, ...]:
    return tuple(name for name in METRICS if name in quantities)


class NoLandscape(Component):
    """Nothing of it."""

    revision: ClassVar[int] = 1

    kind: Literal["none"] = "none"


class MeasuredLandscape(Component):
    """Some quantities, at each evaluation."""

    revision: ClassVar[int] = 1

    kind: Literal["measured"] = "measured"
    quantities: Annotated[tuple[Quantity, ...], Field(min_length=1), AfterValidator(_in_order)]
    num_examples: PositiveInt | None = None  # the first so many of the training set; null: all
    tolerance: PositiveFloat = 1e-3  # residual of the top eigenpair, as a part of the eigenvalue
    num_passes: Annotated[PositiveInt, Field(ge=2)] = 4  # of the interaction's estimate
    num_batches: Annotated[PositiveInt, Field(ge=2)] = 16  # behind a mean step; a full batch needs none


Landscape = Annotated[NoLandscape | MeasuredLandscape, Field(discriminator="kind")]


def num_example_gradients(
    settings: MeasuredLandscape, num_train: int, num_test: int, batch_size: int
) -> float:
    """Estimate what one measurement of one run costs, in gradients of single examples."""
    n = min(num_train, settings.num_examples or num_train)
    b = min(n, batch_size)
    num_products = 5 + 2 * max(0.0, -math.log10(settings.tolerance))
    of_update = (1 + 2 * _PASS) * b / n + _PASS * num_test / n
    own: dict[Quantity, float] = {
        "noise": 0,
        "sharpness": num_products * _PRODUCT,
        "interaction": settings.num_passes * (1 + _PRODUCT),
        "step": _PASS + (_PASS if b == n else settings.num_batches * (_PASS + b / n)),
        "valley": _PASS + len(VALLEY_PERCENT) * (_PASS + _PRODUCT),
        "gap": (1 + 2 * _PASS) * (1 + num_test / n),
        "update": (1 + _PASS) * num_test / n
        + (2 * _PASS + _PASS * num_test / n if b == n else settings.num_batches * of_update),
    }
    asked = set(settings.quantities)
    shared = sum(cost for cost, quantities in _SHARED if asked & quantities)
    return n * (shared + sum(own[quantity] for quantity in asked))
