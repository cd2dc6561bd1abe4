"""What a run is made of, beside its data: model, loss, regularizer, optimizer, schedule, budget, evaluation.

Every field here can change a run's result, and so enters its identity. `revision` is raised when the code
behind a component changes results on purpose; it enters the identity once it is above 1.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from sgdlab.config.fields import (
    Component,
    Fraction,
    FrozenOptions,
    NonNegativeFloat,
    NonNegativeInt,
    Options,
    PositiveFloat,
    PositiveInt,
)

# ---- model --------------------------------------------------------------------------------------------


class MlpModel(Component):
    """A multilayer perceptron with biases, initialised by He's rule (assumed: the papers don't say)."""

    revision: ClassVar[int] = 1

    kind: Literal["mlp"] = "mlp"
    hidden_widths: tuple[PositiveInt, ...]
    activation: Literal["relu", "tanh", "gelu"] = "relu"

    @property
    def has_kinks(self) -> bool:
        """Whether the gradient jumps where a unit switches on."""
        return self.activation == "relu"


class CnnModel(Component):
    """A plain convolutional network: 3×3 convolutions and ReLU; a 2×2 max-pool ends a stage."""

    revision: ClassVar[int] = 1
    has_kinks: ClassVar[bool] = True  # of ReLU and of max-pooling

    kind: Literal["cnn"] = "cnn"
    channels: tuple[PositiveInt, ...]  # of each stage
    convolutions_per_stage: PositiveInt = 1
    norm: Literal["none", "batch"] = "none"
    ghost_size: PositiveInt | None = None  # of ghost batch normalisation; null: whole batches


class WideResNetModel(Component):
    """A Wide-ResNet depth-width, with batch normalisation or made trainable by SkipInit (De & Smith 2020).

    Regularized SkipInit is SkipInit with dropout before the last layer.
    """

    revision: ClassVar[int] = 1
    has_kinks: ClassVar[bool] = True  # its activations are ReLU

    kind: Literal["wide_resnet"] = "wide_resnet"
    depth: Annotated[PositiveInt, Field(ge=10)]
    width: PositiveInt
    norm: Literal["skipinit", "batch"] = "skipinit"
    ghost_size: PositiveInt | None = None  # of ghost batch normalisation; null: whole batches
    dropout: Annotated[Fraction, Field(lt=1)] = 0.0  # the share of units dropped before the last layer


class ResNet9Model(Component):
    """A residual network of eight 3×3 convolutions, for small images."""

    revision: ClassVar[int] = 1
    has_kinks: ClassVar[bool] = True  # of ReLU and of max-pooling

    kind: Literal["resnet9"] = "resnet9"
    channels: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]  # of the stem and of three stages
    norm: Literal["none", "batch"] = "batch"
    ghost_size: PositiveInt | None = None  # of ghost batch normalisation; null: whole batches


class ResNet50Model(Component):
    """ResNet-50 (He et al. 2016) with batch normalisation, its strides in the 3×3 convolutions."""

    revision: ClassVar[int] = 1
    has_kinks: ClassVar[bool] = True  # of ReLU and of max-pooling

    kind: Literal["resnet50"] = "resnet50"
    width: PositiveInt = 64  # channels of the stem
    stem: Literal["7x7", "3x3"] = "7x7"  # 7x7 quarters an image with a max-pool; 3x3 is for small images
    ghost_size: PositiveInt | None = None  # of ghost batch normalisation; null: whole batches


class AutoencoderModel(Component):
    """Linear layers to a linear code and back in mirror, with sigmoid units (assumed) between."""

    revision: ClassVar[int] = 1
    has_kinks: ClassVar[bool] = False

    kind: Literal["autoencoder"] = "autoencoder"
    encoder_widths: tuple[PositiveInt, ...]  # the code's is the last

    @field_validator("encoder_widths")
    @classmethod
    def _check_there_is_a_code(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if not widths:
            raise ValueError("the last width is the code's, so that there must be one")
        return widths


class CustomModel(Component):
    """A network of the user's own: a class in a file, which docs/new-experiment.md describes.

    Unlike other components it has a revision to set: whoever changes what the class computes raises it.
    """

    has_kinks: ClassVar[bool] = True  # for all that is known
    not_in_key: ClassVar[frozenset[str]] = frozenset({"source_sha256"})

    kind: Literal["custom"] = "custom"
    network: str  # FILE.py:ClassName or package.module:ClassName
    options: Options = FrozenOptions()
    revision: PositiveInt = 1
    source_sha256: str = ""  # of its file, as it was when the run was planned

    @field_validator("network")
    @classmethod
    def _check_network_names_a_class(cls, network: str) -> str:
        place, _, class_name = network.rpartition(":")
        if not place or not class_name.isidentifier():
            raise ValueError("input should be FILE.py:ClassName or package.module:ClassName")
        return network


class LstmModel(Component):
    """Zaremba et al.'s (2014) LSTM over words: embedding, layers and the softmax's input are equally wide."""

    revision: ClassVar[int] = 1
    has_kinks: ClassVar[bool] = False

    kind: Literal["lstm"] = "lstm"
    hidden_width: PositiveInt
    num_layers: PositiveInt = 2
    dropout: Annotated[Fraction, Field(lt=1)] = 0.0  # the share dropped of what each layer and softmax read
    init_scale: PositiveFloat  # every parameter starts uniform in ±init_scale, biases too


Model = Annotated[
    MlpModel
    | CnnModel
    | WideResNetModel
    | ResNet9Model
    | ResNet50Model
    | AutoencoderModel
    | LstmModel
    | CustomModel,
    Field(discriminator="kind"),
]

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
    """C_k + (λ/4)·‖∇C_k‖² on each minibatch (smith2021, §2.3); C_k contains the L2 term (assumed)."""

    revision: ClassVar[int] = 1

    kind: Literal["gradient_norm"] = "gradient_norm"
    strength: NonNegativeFloat  # λ
    estimator: Literal["exact", "forward_difference", "central_difference"] = "exact"
    difference_radius: PositiveFloat = 1e-3  # length ‖δω‖ of a finite-difference step; unused when exact


Regularizer = Annotated[NoRegularizer | GradientNormRegularizer, Field(discriminator="kind")]

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
