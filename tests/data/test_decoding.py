"""Oracles: boxes worked out by hand, cut out and resized by Pillow one after the other."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from sgdlab.data.decoding import (
    NUM_CROP_DRAWS,
    _random_box,
    center_crop,
    decode,
    mirror,
    random_resized_crop,
    to_array,
)
from sgdlab.errors import UserError

BILINEAR = Image.Resampling.BILINEAR


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    channels = {"RGB": (3,), "L": (), "CMYK": (4,)}[mode]
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, *channels), dtype=np.uint8)
    return Image.fromarray(pixels, mode=mode) if mode == "CMYK" else Image.fromarray(pixels)


def encoded(image: Image.Image, form: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def draws(*attempts: tuple[float, float], row: float = 0.0, column: float = 0.0) -> list[float]:
    """Draws of a crop whose first attempts are given; all others ask for the whole area, far too wide."""
    pairs = [*attempts, *[(1.0, 1.0)] * (10 - len(attempts))]
    return [*(draw for pair in pairs for draw in pair), row, column]


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_become_three_channels(mode: str) -> None:
    image = noise(9, 7, mode)
    array = to_array(decode(encoded(image), "image"))
    assert array.shape == (3, 7, 9)
    expected = np.asarray(Image.open(io.BytesIO(encoded(image))).convert("RGB"))
    assert np.array_equal(array.transpose(1, 2, 0), expected)
    if mode == "L":
        assert np.array_equal(array[0], array[2])


def test_what_is_called_jpeg_and_is_png_is_read() -> None:  # as one of ImageNet's files is
    image = noise(5, 4)
    assert np.array_equal(
        to_array(decode(encoded(image, "PNG"), "image")).transpose(1, 2, 0), np.asarray(image)
    )


@pytest.mark.parametrize("content", [b"", b"<html>", encoded(noise(90, 90))[:500], encoded(noise(9, 9))[:20]])
def test_what_can_not_be_decoded_is_named(content: bytes) -> None:
    with pytest.raises(UserError, match=r"^some/where\.JPEG can't be decoded: .+\. Replace it"):
        decode(content, "some/where.JPEG")


@pytest.mark.parametrize(
    ("size", "resized", "corner"),
    [
        ((500, 375), (341, 256), (58, 16)),  # (341 − 224)/2 = 58.5 is rounded to even
        ((375, 500), (256, 341), (16, 58)),
        ((64, 64), (256, 256), (16, 16)),
        ((100, 300), (256, 768), (16, 272)),
    ],
)
def test_the_centre_is_cut_out_of_256_pixels(size, resized, corner) -> None:
    image, (left, top) = noise(*size), corner
    expected = image.resize(resized, BILINEAR).crop((left, top, left + 224, top + 224))
    assert np.array_equal(np.asarray(center_crop(image)), np.asarray(expected))


def share(area: float) -> float:
    """The draw that makes a crop's area such a share of the image."""
    return (area - 0.08) / 0.92


@pytest.mark.parametrize(
    ("drawn", "box"),
    [
        # half of the ratios' logarithms is a square; a quarter of 400 × 300 has a side of √30000 = 173.2
        (draws((share(0.25), 0.5)), (0, 0, 173, 173)),
        (draws((share(0.25), 0.5), row=0.5, column=0.999), (227, 64, 173, 173)),
        # 4 to 3: the whole image, of this very shape
        (draws((1.0, 1.0), row=0.9, column=0.9), (0, 0, 400, 300)),
        # a square of all the area is √120000 = 346 high, which is too much; the second attempt fits
        (draws((1.0, 0.5), (share(0.25), 0.5)), (0, 0, 173, 173)),
        # 3 to 4
        (draws((share(0.25), 0.0), row=0.0, column=0.0), (0, 0, 150, 200)),
    ],
)
def test_the_crop_is_the_box_of_its_draws_made_224_pixels(drawn, box) -> None:
    image, (left, top, width, height) = noise(400, 300), box
    part = Image.fromarray(np.asarray(image)[top : top + height, left : left + width])
    assert len(drawn) == NUM_CROP_DRAWS
    expected = part.resize((224, 224), BILINEAR)
    assert np.array_equal(np.asarray(random_resized_crop(image, drawn)), np.asarray(expected))


@pytest.mark.parametrize(
    ("size", "box"),
    [((1000, 100), (433, 0, 133, 100)), ((100, 1000), (0, 433, 100, 133))],  # 4 to 3 at most, 3 to 4 at least
)
def test_where_no_attempt_fits_the_central_part_is_taken(size, box) -> None:
    assert _random_box(size, [*[1.0, 0.5] * 10, 0.7, 0.7]) == box


def test_boxes_lie_inside_and_are_as_large_and_as_wide_as_they_may_be() -> None:
    generator = np.random.default_rng(0)
    shares, ratios = [], []
    largest = np.nextafter(np.float32(1), np.float32(0))
    for number in range(2000):
        size = (200, 200)
        drawn = generator.random(NUM_CROP_DRAWS, dtype=np.float32)
        if number % 10 == 0:
            drawn[-2:] = largest
        left, top, width, height = _random_box(size, drawn.tolist())
        assert 0 <= left <= left + width <= size[0]
        assert 0 <= top <= top + height <= size[1]
        shares.append(width * height / 200**2)
        ratios.append(math.log(width / height))
    # a side is rounded by half a pixel at most, and is 49 or more: 1 % of a side
    assert 0.08 * 0.98 < min(shares) < 0.1 < 0.9 < max(shares) <= 1
    assert -math.log(4 / 3) - 0.02 < min(ratios) < -0.25 < 0.25 < max(ratios) < math.log(4 / 3) + 0.02
    # as likely wider as higher: within four standard errors of a coin
    assert abs(np.mean(np.sign(ratios))) < 4 / math.sqrt(2000)


def test_a_mirror_exchanges_left_and_right() -> None:
    image = noise(6, 4)
    assert np.array_equal(to_array(mirror(image)), to_array(image)[:, :, ::-1])
