"""The measurements behind docs/penalty.md against closed forms, and torch's own count of multiplications."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from differences.cost import STEPS, arithmetic, time_ratios
from differences.numbers import BEGIN, END, describe, with_numbers
from differences.pictures import draw_all
from differences.product_error import (
    ESTIMATORS,
    Band,
    Points,
    direction_errors,
    draw_points,
    relative_errors,
)
from differences.setting import DATA, Setting, variants
from differences.study import QUICK, Errors, conduct
from differences.training_effect import Outcome, training_effect
from sgdlab.config.components import NoRegularizer
from sgdlab.data.dataset import Dataset
from sgdlab.data.load import load_dataset
from sgdlab.training.objective import Minibatches, Objective

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset(DATA, Path())


class Quadratic:
    """A network whose cross-entropy on label 0 is 1 + ½wᵀAw: its inputs are the matrices A."""

    def logits(self, parameters, inputs, _training=None):
        cost = 1 + torch.einsum("ri,rbij,rj->rb", parameters["w"], inputs, parameters["w"]) / 2
        return torch.stack([-torch.log(torch.expm1(cost)), torch.zeros_like(cost)], dim=2)


@pytest.fixture
def bowls() -> Points:
    """Three draws with random positive matrices in two dimensions."""
    generator = torch.Generator().manual_seed(3)
    factors = torch.randn(3, 4, 2, 2, generator=generator, dtype=torch.float64)
    w = torch.randn(3, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    batch = Minibatches(factors @ factors.mT, torch.zeros(3, 4, dtype=torch.int64))
    return Points(Quadratic(), ("w",), (w,), batch)


# ---- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTIMATORS)
def test_on_a_quadratic_differences_are_exact_to_rounding(bowls, name) -> None:
    # The gradient is linear, so no term of any order is left; rounding leaves about 1e-16/r.
    radii = (1e-4, 1e-2, 1.0)
    errors = relative_errors(bowls, ESTIMATORS[name], radii)
    assert errors.shape == (3, 3)
    assert np.all(errors < 1e-14 / np.array(radii)[:, None])
    directions = direction_errors(bowls, ESTIMATORS[name], radii, strength=2.0)
    assert np.all(directions.angle < 1e-8)
    np.testing.assert_allclose(directions.norm_ratio, 1, rtol=1e-10)


@pytest.mark.parametrize(("name", "order"), [("forward", 1), ("central", 2)])
def test_with_tanh_the_error_falls_at_the_order_of_the_difference(digits, name, order) -> None:
    points = draw_points(Setting("tanh"), digits, num_draws=3, num_updates=0, dtype=torch.float64)
    radii = 2.0 ** -np.arange(6, 11)  # rounding, about 1e-16/r, is far below r² here
    errors = relative_errors(points, ESTIMATORS[name], list(radii))
    slopes = np.polyfit(np.log(radii), np.log(errors), 1)[0]
    np.testing.assert_allclose(slopes, order, atol=0.05)


def test_with_relu_draws_that_cross_a_kink_are_wrong_by_factors(digits) -> None:
    points = draw_points(Setting("relu"), digits, num_draws=20, num_updates=0, dtype=torch.float64)
    short, long = relative_errors(points, ESTIMATORS["forward"], [1e-9, 1e-2])
    assert np.median(short) < 1e-4
    assert np.median(long) > 0.1


def test_angle_and_norm_ratio_of_a_known_rotation(bowls) -> None:
    def turned(points, radius, strength):
        """The exact direction turned by `radius` and stretched threefold."""

        def direction(parameters, batch):
            losses, (exact,) = points.exact(strength)(parameters, batch)
            c, s = math.cos(radius), math.sin(radius)
            return losses, (3 * exact @ exact.new_tensor([[c, s], [-s, c]]),)

        return direction

    angles = (1e-9, 0.5, 3.0)
    found = direction_errors(bowls, turned, angles, strength=0.7)
    np.testing.assert_allclose(found.angle, np.rad2deg(angles)[:, None] * np.ones(3), rtol=1e-6)
    np.testing.assert_allclose(found.norm_ratio, 3, rtol=1e-14)


def test_a_band_is_median_and_outer_tenths(bowls) -> None:
    draws = np.stack([np.arange(11.0), np.arange(11.0) / 100])
    band = Band.of(draws)
    np.testing.assert_allclose([band.median, band.low, band.high], [[5, 0.05], [1, 0.01], [9, 0.09]])
    np.testing.assert_allclose(Errors.of(draws).share_above, [10 / 11, 0])


# ---- points -----------------------------------------------------------------------------------------------


def test_both_precisions_see_the_same_points(digits) -> None:
    narrow, wide = (
        draw_points(Setting(), digits, num_draws=2, num_updates=8, dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    )
    for a, b in zip(narrow.parameters, wide.parameters, strict=True):
        assert torch.equal(a.double(), b)
    assert torch.equal(narrow.batch.labels, wide.batch.labels)
    assert not torch.equal(wide.parameters[0][0], wide.parameters[0][1])
    assert not torch.equal(wide.batch.labels[0], wide.batch.labels[1])


def test_batch_size_changes_the_minibatch_and_not_the_network(digits) -> None:
    small, large = (
        draw_points(setting, digits, num_draws=2, num_updates=8, dtype=torch.float32)
        for setting in (Setting(), replace(Setting(), batch_size=32))
    )
    assert all(torch.equal(a, b) for a, b in zip(small.parameters, large.parameters, strict=True))
    assert (small.batch.labels.shape, large.batch.labels.shape) == ((2, 8), (2, 32))


def test_one_thing_is_varied_at_a_time() -> None:
    settings = variants("gelu", "depth")
    assert {setting.depth for setting in settings} == {1, 2, 3, 5}
    assert {replace(setting, depth=3) for setting in settings} == {Setting("gelu")}


# ---- training and cost ------------------------------------------------------------------------------------


def test_where_differences_are_accurate_training_is_that_of_the_exact_penalty(digits) -> None:
    effect = training_effect(Setting("tanh"), digits, (1e-4, 1e-3), num_seeds=2, num_updates=32)
    assert [outcome.regularizer.difference_radius for outcome in effect.forward] == [1e-4, 1e-3]
    assert {outcome.regularizer.estimator for outcome in effect.central} == {"central_difference"}
    for outcome in (*effect.forward, *effect.central):
        # at most one of 500 test examples is so near to two classes
        np.testing.assert_allclose(outcome.test_accuracy, effect.exact.test_accuracy, atol=0.0021)
        assert 0 < outcome.worst_error.max() < 0.02
    assert np.abs(effect.plain.test_accuracy - effect.exact.test_accuracy).max() > 0.0021
    assert len(effect.exact.worst_error) == 0


def test_accuracy_is_that_of_the_runs_that_finished() -> None:
    outcome = Outcome(NoRegularizer(), np.array([0.8, 0.9, 1.0]), np.empty(0), num_diverged=2)
    assert outcome.mean == pytest.approx(0.9)
    assert outcome.standard_error == pytest.approx(0.1 / math.sqrt(3))
    assert math.isnan(replace(outcome, test_accuracy=np.empty(0)).mean)


@pytest.mark.parametrize("setting", [Setting(), Setting(width=8, depth=1), Setting("tanh", 128, 5, 32)])
def test_arithmetic_is_what_torch_counts(digits, setting) -> None:
    points = draw_points(setting, digits, num_draws=2, num_updates=0, dtype=torch.float32)
    objective = Objective(points.network, points.names, l2=None)

    def count(work) -> int:
        with FlopCounterMode(display=False) as counter:
            work()
        return counter.get_total_flops()

    plain = count(lambda: objective.gradients(points.parameters, points.batch))
    counted = arithmetic(setting)
    for name, direction in (
        ("exact", points.exact(0.1)),
        ("forward", points.forward(1e-3, 0.1)),
        ("central", points.central(1e-3, 0.1)),
    ):
        assert count(lambda d=direction: d(points.parameters, points.batch)) / plain == pytest.approx(
            counted[name]
        )


def test_times_are_multiples_of_the_plain_step_of_their_round(digits) -> None:
    ratios = time_ratios(Setting(width=8, depth=1), digits, num_updates=4, num_rounds=2)
    assert list(ratios) == list(STEPS)
    assert ratios["plain"] == 1
    assert min(ratios.values()) > 0


# ---- the page ---------------------------------------------------------------------------------------------


def test_numbers_replace_what_stood_between_the_marks_and_nothing_else() -> None:
    page = f"# Title\n\n{BEGIN}\nold\n{END}\n\nwords\n"
    renewed = with_numbers(page, "| new |")
    assert renewed == f"# Title\n\n{BEGIN}\n| new |\n{END}\n\nwords\n"
    assert with_numbers(renewed, "| new |") == renewed


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"])
def test_a_page_without_its_marks_is_refused(page) -> None:
    with pytest.raises(ValueError, match="make penalty-error"):
        with_numbers(page, "")


def test_a_quick_go_measures_describes_and_draws_everything(digits, tmp_path) -> None:
    said: list[str] = []
    study = conduct(QUICK, digits, said.append)
    assert said[0] == "error of H·g: relu, fresh"
    tables = describe(study, "here").split("\n\n")
    rows = [table for table in tables if table.startswith("| ")]
    assert [len(table.splitlines()) - 2 for table in rows] == [12, 3, 4, 4]
    assert {path.name for path in draw_all(study, tmp_path)} == {path.name for path in tmp_path.iterdir()}
    assert len(list(tmp_path.glob("penalty-*.png"))) == 4
