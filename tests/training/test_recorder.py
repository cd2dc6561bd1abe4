"""Curves, the best of them, and which test images were right, on made-up evaluations."""

import numpy as np
import pytest
import torch

from sgdlab.training.recorder import Recorder, summarize

# Two runs, five evaluations of 11 images. Run 0 is best at the second and the fourth, run 1 at the last.
NUM_IMAGES = 11
HITS = [[3, 1], [8, 2], [5, 2], [8, 4], [6, 9]]


def correctness(evaluation: int) -> torch.Tensor:
    """(2, 11): the right number of hits at places that differ from evaluation to evaluation."""
    generator = torch.Generator().manual_seed(evaluation)
    rows = [torch.randperm(NUM_IMAGES, generator=generator) < hits for hits in HITS[evaluation]]
    return torch.stack(rows)


@pytest.fixture
def recorders() -> list[Recorder]:
    recorders = [Recorder(), Recorder()]
    for evaluation in range(5):
        for run, recorder in enumerate(recorders):
            record(recorder, run, evaluation)
    return recorders


@pytest.fixture
def recorder(recorders) -> Recorder:
    return recorders[0]


def record(recorder: Recorder, run: int, evaluation: int) -> None:
    correct = correctness(evaluation)[run]
    metrics = {
        "test_accuracy": correct.double().mean().item(),
        "test_loss": [2.0 - evaluation, 1.0 + evaluation][run],
    }
    if evaluation == 4:
        metrics["c_reg"] = [0.5, 0.25][run]
    recorder.record(10 * (evaluation + 1), metrics, correct)


def test_curves_hold_each_evaluation_and_nan_where_nothing_was_measured(recorders) -> None:
    for run, recorder in enumerate(recorders):
        curves = recorder.curves(None)
        assert curves["updates"].tolist() == [10, 20, 30, 40, 50]
        assert curves["test_accuracy"].tolist() == [hits[run] / NUM_IMAGES for hits in HITS]
        even = [correctness(e)[run, 0::2].double().mean().item() for e in range(5)]
        odd = [correctness(e)[run, 1::2].double().mean().item() for e in range(5)]
        assert curves["test_accuracy_even"].tolist() == even
        assert curves["test_accuracy_odd"].tolist() == odd
        np.testing.assert_array_equal(curves["c_reg"], [np.nan] * 4 + [[0.5, 0.25][run]])


def test_correctness_is_kept_of_the_last_and_the_first_best_evaluations(recorders) -> None:
    for run, recorder in enumerate(recorders):
        curves = recorder.curves(None)
        chosen = {
            "final": 4,
            "best": int(np.argmax([hits[run] for hits in HITS])),  # numpy's argmax is the first
            "best_even": int(np.argmax([correctness(e)[run, 0::2].sum() for e in range(5)])),
            "best_odd": int(np.argmax([correctness(e)[run, 1::2].sum() for e in range(5)])),
        }
        assert chosen["best"] == [1, 4][run]
        for name, evaluation in chosen.items():
            bits = curves[f"correct_{name}"]
            assert bits.dtype == np.uint8
            assert bits.tolist() == np.packbits(correctness(evaluation)[run].numpy()).tolist()


@pytest.mark.parametrize(("diverged_at", "kept"), [(50, 4), (21, 2), (20, 1), (3, 0)])
def test_the_curves_of_a_diverged_run_end_before_it(recorder, diverged_at, kept) -> None:
    curves = recorder.curves(diverged_at)
    assert curves["updates"].tolist() == [10, 20, 30, 40, 50][:kept]
    assert curves["test_accuracy"].tolist() == [hits[0] / NUM_IMAGES for hits in HITS][:kept]
    assert not any(name.startswith("correct") for name in curves)
    summary = summarize(curves)
    assert "c_reg.final" not in summary
    assert ("test_accuracy.best" in summary) == (kept > 0)


def test_a_recorder_goes_on_from_its_stored_state(recorder) -> None:
    resumed = Recorder()
    for evaluation in range(5):
        resumed = Recorder.from_state(resumed.state())
        record(resumed, 0, evaluation)
    ours, theirs = resumed.curves(None), recorder.curves(None)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_stored_state_is_not_changed_by_going_on(recorder) -> None:
    state = recorder.state()
    before = {name: values.clone() for name, values in state["correct"].items()}
    record(recorder, 0, 3)
    assert state["updates"] == [10, 20, 30, 40, 50]
    assert all(torch.equal(state["correct"][name], values) for name, values in before.items())


def test_the_summary_is_best_final_and_honest(recorder) -> None:
    curves = recorder.curves(None)
    summary = summarize(curves)
    assert summary["test_accuracy.best"] == 8 / 11
    assert summary["test_accuracy.final"] == 6 / 11
    assert summary["test_loss.best"] == -2.0  # the smallest
    assert summary["test_loss.final"] == -2.0
    assert summary["c_reg.best"] == summary["c_reg.final"] == 0.5
    even, odd = curves["test_accuracy_even"], curves["test_accuracy_odd"]
    assert summary["test_accuracy.honest"] == (odd[np.argmax(even)] + even[np.argmax(odd)]) / 2
    assert "updates.best" not in summary
    assert not any("correct" in name for name in summary)


def test_losses_costs_and_norms_are_best_where_small() -> None:
    names = ["test_loss", "train_loss", "train_cost", "c_reg", "gradient_norm_sq", "penalty_relative_error"]
    curves = {name: np.array([3.0, 1.0, 2.0]) for name in [*names, "train_accuracy", "test_accuracy"]}
    summary = summarize(curves)
    assert [summary[f"{name}.best"] for name in names] == [1.0] * 6
    assert summary["train_accuracy.best"] == summary["test_accuracy.best"] == 3.0
