"""What a run is made of, beside its data: model, loss, regularizer, optimizer, schedule, budget, evaluation.

Every field here can change a run's result, and so enters its identity. `revision` is raised when the code
behind a component changes results on purpose; it enters the identity once it is above 1.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sgdlab.config.fields import (
    Component,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

# ---- loss and regularizer -------------------------------------------------------------------------------


class _Loss(Component):
    """The mean of a loss over examples, plus (l2/2)·‖ω‖² over all parameters: its gradient is l2·ω."""

    revision: ClassVar[int] = 1

    l2: NonNegativeFloat = 0.0


class CrossEntropyLoss(_Loss):
    """Cross-entropy in nats; of a sequence, the mean over its steps."""

    kind: Literal["cross_entropy"] = "cross_entropy"


class SquaredErrorLoss(_Loss):
    """½·‖z − e_y‖² between the outputs and the label's unit vector (scale assumed)."""

    kind: Literal["squared_error"] = "squared_error"


class BernoulliLoss(_Loss):
    """−Σ log-likelihood of an input's numbers in [0, 1], which an autoencoder gives back."""

    kind: Literal["bernoulli"] = "bernoulli"


Loss = Annotated[CrossEntropyLoss | SquaredErrorLoss | BernoulliLoss, Field(discriminator="kind")]


class NoRegularizer(Component):
    """The loss as it is."""

    revision: ClassVar[int] = 1

    kind: Literal["none"] = "none"


class GradientNormRegularizer(Component):
    """C_k + (λ/4)·‖∇C_k‖² on each minibatch (smith2021, §2.3); C_k contains the L2 term (assumed).

    With micro-batches it is C_k + (λ/4)·(1/M) Σ_j ‖∇C_kj‖² over the M of them, consecutive in the minibatch:
    a large batch carries the C_reg of small ones.
    """

    revision: ClassVar[int] = 1

    kind: Literal["gradient_norm"] = "gradient_norm"
    strength: NonNegativeFloat  # λ
    estimator: Literal["exact", "forward_difference", "central_difference"] = "exact"
    difference_radius: PositiveFloat = 1e-3  # length ‖δω‖ of a finite-difference step; unused when exact
    micro_batch_size: PositiveInt | None = None  # null: the minibatch as a whole


class GradientNoiseRegularizer(Component):
    """C_k + (λ/4)·(1/M) Σ_j ‖∇C_kj − ∇C_k‖² over the M micro-batches of a minibatch, consecutive in it.

    With λ = lr as many updates on a large batch emulate, in the mean, those on its micro-batches: for halves
    B and C it is (lr/16)·‖g_B − g_C‖², of mean ¼⟨δε⟩ (roberts2018, §3). Exact, by double backward. The L2
    term has no noise.
    """

    revision: ClassVar[int] = 1

    kind: Literal["gradient_noise"] = "gradient_noise"
    strength: NonNegativeFloat  # λ
    micro_batch_size: PositiveInt


Regularizer = Annotated[
    NoRegularizer | GradientNormRegularizer | GradientNoiseRegularizer, Field(discriminator="kind")
]

# ---- optimizer, schedule, budget, evaluation --------------------------------------------------------------


class SgdOptimizer(Component):
    """SGD, plain by default; `inner_steps` n > 1 makes it n-step SGD, `lr` its bare rate α (smith2021, §4).

    With momentum μ the velocity is v ← μ·v + g and the step −lr·v: the effective rate is lr/(1 − μ).
    """

    revision: ClassVar[int] = 1

    kind: Literal["sgd"] = "sgd"
    lr: PositiveFloat
    batch_size: PositiveInt
    inner_steps: PositiveInt = 1
    momentum: Annotated[Fraction, Field(lt=1)] = 0.0
    clip_norm: PositiveFloat | None = None  # a longer gradient is shortened to this, the penalty's included
    order: Literal[
        "shuffled", "independent", "with_replacement", "fixed", "forward_reverse", "sequential"
    ] = "shuffled"
    remainder: Literal["drop", "carry"] = "drop"  # N mod B examples: left out, or carried into the next epoch


class ConstantSchedule(Component):
    """The learning rate never changes."""

    revision: ClassVar[int] = 1

    kind: Literal["constant"] = "constant"


class HoldThenDecaySchedule(Component):
    """Hold, then divide by `factor` at `num_drops` equal intervals, the first as the hold ends.

    By default at every twentieth of all updates from the first half's end on (smith2020, §3). With
    ``num_drops=5`` at every tenth: at .5, .6, … .9 (smith2021, §4: "every remaining tenth of training").
    """

    revision: ClassVar[int] = 1

    kind: Literal["hold_then_decay"] = "hold_then_decay"
    hold_fraction: Fraction = 0.5  # of all updates
    num_drops: NonNegativeInt = 10
    factor: PositiveFloat = 2.0


class EpochDecaySchedule(Component):
    """Hold for whole epochs, then divide by `factor` at the start of every epoch that follows."""

    revision: ClassVar[int] = 1

    kind: Literal["epoch_decay"] = "epoch_decay"
    hold_num_epochs: NonNegativeInt = 4
    factor: PositiveFloat = 2.0


class HoldThenDecayToSchedule(Component):
    """The same towards a rate of its own: the factor is (lr/final_lr)^(1/num_drops) (smith2020, §7.1).

    `final_lr` is the bare rate after the last drop, as `optimizer.lr` is before the first. It may be the
    larger one: then the rate grows.
    """

    revision: ClassVar[int] = 1

    kind: Literal["hold_then_decay_to"] = "hold_then_decay_to"
    final_lr: PositiveFloat
    hold_fraction: Fraction = 0.5  # of all updates
    num_drops: PositiveInt = 10

    def starting_at(self, lr: float) -> HoldThenDecaySchedule:
        """Return the schedule of a run that starts at a rate."""
        factor = (lr / self.final_lr) ** (1 / self.num_drops)
        return HoldThenDecaySchedule(
            hold_fraction=self.hold_fraction, num_drops=self.num_drops, factor=factor
        )


Schedule = Annotated[
    ConstantSchedule | HoldThenDecaySchedule | HoldThenDecayToSchedule | EpochDecaySchedule,
    Field(discriminator="kind"),
]


class EpochBudget(Component):
    """Passes over the training set; floor(num_epochs·N/B) minibatches."""

    kind: Literal["epochs"] = "epochs"
    num_epochs: PositiveFloat


class UpdateBudget(Component):
    """Parameter updates; n-step SGD makes n of them on each minibatch."""

    kind: Literal["updates"] = "updates"
    num_updates: PositiveInt


Budget = Annotated[EpochBudget | UpdateBudget, Field(discriminator="kind")]


class EpochEvaluation(Component):
    """Evaluate every so many epochs, and at the end."""

    kind: Literal["epochs"] = "epochs"
    every_num_epochs: PositiveFloat


class UpdateEvaluation(Component):
    """Evaluate every so many parameter updates, and at the end."""

    kind: Literal["updates"] = "updates"
    every_num_updates: PositiveInt


Evaluation = Annotated[EpochEvaluation | UpdateEvaluation, Field(discriminator="kind")]
