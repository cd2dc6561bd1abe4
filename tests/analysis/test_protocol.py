"""Best k of n against means written out by hand."""

import math
import random
import statistics

import pytest

from sgdlab.analysis.observations import Observation
from sgdlab.analysis.protocol import summarize_point
from sgdlab.config.metrics import lower_is_better
from sgdlab.errors import UsageError
from sgdlab.sweeps.spec import Protocol

BEST, FINAL, HONEST = "test_accuracy.best", "test_accuracy.final", "test_accuracy.honest"
FIVE_OF_SEVEN = Protocol(num_seeds=7, keep=5)
POINT = {"optimizer.lr": 2.0**-6}


def run(seed, state="done", **metrics):
    named = {name.replace("__", "."): value for name, value in metrics.items()}
    return Observation("main", "plain", POINT, seed, f"key{seed}", state, named)


def done(seed, accuracy, **more):
    return run(seed, test_accuracy__best=accuracy, **more)


def test_best_five_of_seven_with_one_diverged_and_one_missing():
    accuracies = [0.61, 0.64, 0.60, 0.66, 0.63]
    runs = [done(seed, accuracy) for seed, accuracy in enumerate(accuracies)]
    runs.append(run(5, "diverged", test_accuracy__best=0.99))
    runs.append(run(6, "missing"))
    summary = summarize_point(runs, FIVE_OF_SEVEN, BEST)
    assert summary.value == pytest.approx(statistics.mean(accuracies))
    assert summary.std == pytest.approx(statistics.stdev(accuracies))  # ddof 1
    assert summary.kept_seeds == (3, 1, 4, 0, 2)
    counts = (
        summary.num_asked,
        summary.num_done,
        summary.num_diverged,
        summary.num_failed,
        summary.num_missing,
    )
    assert counts == (7, 5, 1, 0, 1)
    assert [(left.key, left.seed, left.reason) for left in summary.left_out] == [
        ("key5", 5, "diverged"),
        ("key6", 6, "missing"),
    ]
    assert summary.standing == "valued"
    assert summary.note is None


def test_the_two_worst_are_left_out_and_named():
    accuracies = [0.61, 0.64, 0.60, 0.66, 0.63, 0.59, 0.65]
    summary = summarize_point([done(s, a) for s, a in enumerate(accuracies)], FIVE_OF_SEVEN, BEST)
    assert summary.value == pytest.approx(statistics.mean([0.61, 0.64, 0.66, 0.63, 0.65]))
    assert summary.unselected.mean == pytest.approx(statistics.mean(accuracies))
    assert summary.unselected.num_runs == 7
    assert [(left.seed, left.reason) for left in summary.left_out] == [
        (2, "ranks 6 of 7: test_accuracy.best is 0.6"),
        (5, "ranks 7 of 7: test_accuracy.best is 0.59"),
    ]


def test_ranked_by_one_metric_and_displayed_in_another():
    protocol = Protocol(num_seeds=3, keep=2)
    runs = [done(0, 0.9, test_accuracy__final=0.1), done(1, 0.8, test_accuracy__final=0.2)]
    runs.append(done(2, 0.7, test_accuracy__final=0.9))
    summary = summarize_point(runs, protocol, FINAL)
    assert summary.kept_seeds == (0, 1)
    assert summary.value == pytest.approx(0.15)


def test_a_loss_that_ranks_keeps_the_smallest():
    protocol = Protocol(num_seeds=3, keep=2, rank_by="test_loss.final")
    runs = [run(seed, test_loss__final=loss) for seed, loss in enumerate([0.3, 0.1, 0.2])]
    assert summarize_point(runs, protocol, "test_loss.final").kept_seeds == (1, 2)


def test_fewer_than_k_finite_runs_give_no_value():
    runs = [done(seed, 0.6) for seed in range(4)] + [run(4, "failed")]
    summary = summarize_point(runs, FIVE_OF_SEVEN, BEST)
    assert summary.value is None
    assert summary.std is None
    assert summary.kept_seeds == ()
    assert summary.note == "4 finite runs of 7, 5 needed"
    assert summary.unselected.mean == pytest.approx(0.6)
    assert summary.left_out[0].reason == "finite, but 5 finite runs are needed"
    assert (summary.num_failed, summary.num_missing) == (1, 2)
    assert summary.standing == "unfinished"


def test_all_diverged():
    summary = summarize_point([run(seed, "diverged") for seed in range(7)], FIVE_OF_SEVEN, BEST)
    assert (summary.value, summary.unselected, summary.honest) == (None, None, None)
    assert summary.num_diverged == 7
    assert summary.standing == "diverged"


@pytest.mark.parametrize(("num_diverged", "standing"), [(2, "unfinished"), (3, "diverged")])
def test_a_point_is_diverged_once_k_finite_runs_are_out_of_reach(num_diverged, standing):
    runs = [run(seed, "diverged") for seed in range(num_diverged)]
    assert summarize_point(runs, FIVE_OF_SEVEN, BEST).standing == standing


@pytest.mark.parametrize(
    ("value", "reason"), [(math.nan, "test_accuracy.best is nan"), (math.inf, "test_accuracy.best is inf")]
)
def test_a_value_that_is_not_finite_is_left_out(value, reason):
    summary = summarize_point([done(0, value), done(1, 0.6)], Protocol(num_seeds=2, keep=1), BEST)
    assert summary.kept_seeds == (1,)
    assert summary.value == 0.6
    assert summary.std is None  # of a single run
    assert summary.left_out[0].reason == reason
    assert summary.num_done == 2


def test_a_run_without_the_displayed_metric_is_left_out():
    runs = [done(0, 0.9), done(1, 0.8, c_reg__final=0.5)]
    summary = summarize_point(runs, Protocol(num_seeds=2, keep=1), "c_reg.final")
    assert summary.kept_seeds == (1,)
    assert summary.left_out[0].reason == "has no c_reg.final"


def test_ties_are_kept_by_seed():
    summary = summarize_point([done(s, 0.6) for s in range(3)], Protocol(num_seeds=3, keep=2), BEST)
    assert summary.kept_seeds == (0, 1)


def test_the_order_of_observations_does_not_matter():
    runs = [done(seed, 0.5 + seed % 3 / 10) for seed in range(6)] + [run(6, "diverged")]
    expected = summarize_point(runs, FIVE_OF_SEVEN, BEST)
    generator = random.Random(0)
    for _ in range(20):
        generator.shuffle(runs)
        assert summarize_point(runs, FIVE_OF_SEVEN, BEST) == expected


def test_honest_is_over_every_finite_run():
    runs = [done(seed, 0.6 + seed / 100, test_accuracy__honest=0.5 + seed / 100) for seed in range(7)]
    summary = summarize_point(runs, FIVE_OF_SEVEN, BEST)
    assert summary.honest.mean == pytest.approx(0.53)
    assert summary.honest.num_runs == 7
    assert summarize_point([done(0, 0.6)], FIVE_OF_SEVEN, BEST).honest is None


def test_the_same_seed_twice_is_refused():
    with pytest.raises(
        UsageError, match=r"grid 'plain' of panel 'main' at optimizer.lr=2\*\*-6 has seed 0 twice"
    ):
        summarize_point([done(0, 0.6), done(0, 0.6)], FIVE_OF_SEVEN, BEST)


def test_more_runs_than_asked_for_are_refused():
    with pytest.raises(UsageError, match=r"has 3 runs, and protocol.num_seeds=2"):
        summarize_point([done(seed, 0.6) for seed in range(3)], Protocol(num_seeds=2, keep=1), BEST)


def test_nothing_to_summarize():
    with pytest.raises(UsageError, match=r"no observation of test_accuracy.best"):
        summarize_point([], FIVE_OF_SEVEN, BEST)


@pytest.mark.parametrize(
    "name",
    ["train_loss.final", "train_cost.final", "c_reg.final", "gradient_norm_sq.final", "test_perplexity.best"],
)
def test_smaller_is_better_for_losses(name):
    assert lower_is_better(name)
    assert not lower_is_better("test_accuracy.best")
