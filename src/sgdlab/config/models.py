"""The networks that a run may train: one class each, told apart by `kind`.

As with other components every field enters a run's identity, and `revision` is raised when the code behind a
network changes results on purpose.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from sgdlab.config.fields import (
    Component,
    Fraction,
    FrozenOptions,
    Options,
    PositiveFloat,
    PositiveInt,
)


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
