"""What is measured of the loss landscape along a run: its curves are part of the result, so of the identity.

Everything is over the training set with its L2 term, not augmented, at each evaluation of the run, with the
learning rate η of the update that comes next and the run's batch size b. Costs are in gradients over all
examples (or the sample), the R runs of a pack together:

===========  ================================================================  ============================
noise        ‖∇C‖² = tr S_n, Γ, tr S_b, ρ_b                                    about 3
sharpness    ‖H‖ and its residual, |cos(q₁, ∇C)|, ‖H‖_{S_n}                    2.5 a product: 10 to 50
interaction  tr(H S_b), ‖H‖_{S_b}, tr(H S_b)/tr S_n                            3.5·num_passes + 6
step         E C(ω − η g_b) − C, over tr S_n                                   1 + about num_batches/3
valley       ‖H_α‖_{S_n}/‖H‖_{S_n} and C − C_α along a step of size η·∇C        15
gap          η·∇C·(∇C − ∇C_test), the printed form, the gap's measured change  about 6
===========  ================================================================  ============================
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from sgdlab.config.fields import Component, PositiveFloat, PositiveInt

Quantity = Literal["noise", "sharpness", "interaction", "step", "valley", "gap"]

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
}
"""What each quantity adds to the curves of a run: docs/diagnostics.md defines them."""


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
    num_batches: Annotated[PositiveInt, Field(ge=2)] = 16  # behind the mean step; a full batch needs none


Landscape = Annotated[NoLandscape | MeasuredLandscape, Field(discriminator="kind")]
