"""How a window is written in the rule of a verdict, and which metrics it reads."""

from sgdlab.sweeps.windows import Window


def test_a_window_says_which_evaluations_it_means():
    assert Window().describe() == ""
    window = Window.model_validate(
        {
            "part": [0.5, 1],
            "after": {"metric": "sharpness.curve", "above": "2**3"},
            "before": {"metric": "train_loss.curve", "below": 0.1},
            "where": [
                {"metric": "instability.curve", "above": 1},
                {"metric": "alignment.curve", "below": 0.5},
            ],
        }
    )
    assert window.describe() == (
        "from 50% to 100% of the updates, from the first with sharpness > 8 on, "
        "before the first with train_loss < 0.1, with instability > 1 and alignment < 0.5"
    )
    assert window.metrics() == {
        "after": "sharpness.curve",
        "before": "train_loss.curve",
        "where[0]": "instability.curve",
        "where[1]": "alignment.curve",
    }
