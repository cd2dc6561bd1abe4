"""The findings, the notes and the figure, from iterates that are made up: errors ε³ and ε², little noise."""

import pytest

from sgdlab.figures.draw import draw
from sgdlab.theory.smith2021.real_network import check
from sgdlab.theory.smith2021.real_network.measurements import (
    FIXED_TIME,
    FOUR_EPOCHS_TIMES,
    ONE_EPOCH_TIMES,
    SMALL_BATCHES_TIMES,
    Measurements,
)


@pytest.fixture(scope="module")
def report(setting, iterate):
    def shrinking(times, num_batches, share=0.1):
        """Of gradient flow's error ε², a share of mελ is left."""
        lrs = {time: time / (num_batches * setting.top_eigenvalue) for time in times}
        return {
            time: iterate(lr, share * time * lr**2, lr**2, noise=1e-3 * share * time * lr**2)
            for time, lr in lrs.items()
        }

    fixed = [FIXED_TIME / num for num in (8, 4, 2, 1)]
    measured = Measurements(
        one_epoch=shrinking(ONE_EPOCH_TIMES, 8),
        four_epochs=shrinking(FOUR_EPOCHS_TIMES, 8),
        small_batches=shrinking(SMALL_BATCHES_TIMES, 32, share=0.12),
        fixed_time={time: iterate(time, time**2, time, noise=0.0) for time in fixed},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "begin", lambda: setting)
        patch.setattr(check, "measure", lambda _: measured)
        patch.setattr(check, "tolerance_effect", lambda *_: 1e-12)
        return check.run()


def numbers(report, words: str) -> list[float]:
    return [finding.value for finding in report.findings if words in finding.says]


def test_orders(report):
    assert numbers(report, "from the flow on") == pytest.approx([3, 2, 2, 1], abs=0.01)
    assert numbers(report, "noise") == pytest.approx([3, 3], abs=0.01)


def test_how_much_is_left(report):
    assert numbers(report, "less than half") == pytest.approx([0.02, 0.02, 0.08, 0.08, 0.32, 0.32], rel=0.01)
    assert numbers(report, "More than 25%") == pytest.approx([2.5, 2.5], rel=0.01)
    assert numbers(report, "More than 50%") == pytest.approx([5, 5], rel=0.01)
    assert numbers(report, "At ε = 2/λ") == pytest.approx([1.6], rel=0.01)
    assert numbers(report, "depends on mε alone") == pytest.approx([1.2], rel=0.01)


def test_what_pairs_save_is_at_an_equal_number_of_runs(report):
    # Single runs' noise is ten times that of pairs: a hundredth of the variance, for twice the runs
    assert numbers(report, "Pairs of an order") == pytest.approx([50])


def test_every_finding_has_its_place_and_an_interval(report):
    assert len(report.findings) == 19
    for finding in report.findings:
        assert finding.interval[0] <= finding.value <= finding.interval[1]
    verdicts = {finding.says: finding.verdict for finding in report.findings}
    assert [says for says, verdict in verdicts.items() if verdict == "not supported"] == [
        "At ε = 2/λ, where gradient descent becomes unstable, the modified flow is still the closer one.",
        "A pair still has noise of O(ε²): which examples share a batch.",
    ]


def test_the_notes_say_how_many_shuffles_and_how_precise_the_flows_are(report):
    notes = "\n".join(report.notes)
    assert "m = 8 batches of 32, or m = 32 of 8" in notes
    assert "1 epoch 2,880, 0%; 4 epochs 960, 0%; 8 epochs 1,344, 0%" in notes
    assert "halving it moves the ends at mελ = 0.05 and 3.2 by" in notes


def test_the_figure_marks_where_epsilon_is_two_over_lambda(report, tmp_path):
    rules = {rule.label for panel in report.figure.panels for rule in panel.rules}
    assert {"mελ = 1", "ε = 2/λ, m = 8", "ε = 2/λ"} <= rules
    drawn = draw(report.figure, tmp_path, "real-network")[2].read_text()
    for text in ("m = 32, 1 epoch", "one run"):
        assert f"<!-- {text} -->" in drawn
