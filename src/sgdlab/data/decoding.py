"""From a JPEG file to pixels, as everybody reads ImageNet: Pillow, bilinear, three channels.

A file that is grey, of four colours, or no JPEG at all, though its name says so, becomes red, green and blue.
"""

from __future__ import annotations

import io
import math
import os
import struct
from collections.abc import Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError

from sgdlab.errors import UserError

_DAMAGE = (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError)
_SIDE = 224  # pixels of what the network sees
_RESIZED = 256  # pixels of the shorter side, before the centre is cut out
_NUM_ATTEMPTS = 10
_AREA = (0.08, 1.0)  # of a crop, as a share of the image
_LOG_RATIO = (math.log(3 / 4), math.log(4 / 3))  # of its width to its height

NUM_CROP_DRAWS = 2 * _NUM_ATTEMPTS + 2


def num_decoders() -> int:
    """Return how many threads decode images: Pillow lets others run meanwhile."""
    return len(os.sched_getaffinity(0))


def decode(content: bytes, name: str) -> Image.Image:
    """Return an image of three channels.

    Raises
    ------
    UserError
        If it is damaged or no image; `name` says which.
    """
    try:
        return Image.open(io.BytesIO(content)).convert("RGB")
    except _DAMAGE as error:
        reason = "it is no image" if isinstance(error, UnidentifiedImageError) else str(error)
        raise UserError(f"{name} can't be decoded: {reason}. Replace it by the original.") from error


def to_array(image: Image.Image) -> np.ndarray:
    """Return pixels ``(3, height, width)`` uint8."""
    return np.asarray(image).transpose(2, 0, 1)


def center_crop(image: Image.Image) -> Image.Image:
    """Return the middle 224×224 pixels of the image with its shorter side made 256."""
    shorter = min(image.size)
    width, height = (_RESIZED * side // shorter for side in image.size)
    left, top = round((width - _SIDE) / 2), round((height - _SIDE) / 2)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + _SIDE, top + _SIDE))


def random_resized_crop(image: Image.Image, draws: Sequence[float]) -> Image.Image:
    """Return a part of the image, made 224×224 (Szegedy et al. 2014).

    Its area is a share of the image's, uniform in 0.08 to 1, and its width over its height from 3/4 to 4/3,
    uniform in the logarithm; tried ten times, until it fits in. If none does: the largest central part whose
    sides aren't further apart than that.

    Parameters
    ----------
    image
        Of any size.
    draws
        `NUM_CROP_DRAWS` uniform numbers in [0, 1): two an attempt, then the row and the column.
    """
    left, top, width, height = _random_box(image.size, draws)
    part = image.crop((left, top, left + width, top + height))  # resize(box=…) would look beyond its edges
    return part.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)


def mirror(image: Image.Image) -> Image.Image:
    """Exchange left and right."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def _random_box(size: tuple[int, int], draws: Sequence[float]) -> tuple[int, int, int, int]:
    """Return left, top, width and height."""
    image_width, image_height = size
    row, column = draws[2 * _NUM_ATTEMPTS :]
    for attempt in range(_NUM_ATTEMPTS):
        area = image_width * image_height * _between(_AREA, draws[2 * attempt])
        ratio = math.exp(_between(_LOG_RATIO, draws[2 * attempt + 1]))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= image_width and 0 < height <= image_height:
            left, top = int(column * (image_width - width + 1)), int(row * (image_height - height + 1))
            return left, top, width, height
    smallest, largest = (math.exp(bound) for bound in _LOG_RATIO)
    width = min(image_width, round(image_height * largest))
    height = min(image_height, round(image_width / smallest))
    return (image_width - width) // 2, (image_height - height) // 2, width, height


def _between(bounds: tuple[float, float], draw: float) -> float:
    low, high = bounds
    return low + (high - low) * draw
