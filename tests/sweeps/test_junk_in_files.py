"""Whatever is written in a sweep file, it is read or refused: no other error escapes."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sgdlab.errors import UsageError
from sgdlab.sweeps.expand import expand

PHASE = {
    "kind": "phase",
    "x": "train_loss.curve",
    "x_label": "x",
    "y_label": "y",
    "curves": [{"grid": "rate", "metric": "test_loss.curve"}],
}
PHASE_OF_EVERY_KEY = {
    **PHASE,
    "mark_end": True,
    "lines": [{"label": "l", "slope": 1, "through": ["1/2", 0]}, {"x": 1}, {"y": "2**-1"}],
    "curves": [
        {
            "grid": "rate",
            "metric": "sharpness.curve",
            "x": "test_loss.curve",
            "during": {"part": [0, 0.5], "where": [{"metric": "instability.curve", "above": 1}]},
        }
    ],
}

OPTIMA = {
    "kind": "optima",
    "x": "optimizer.inner_steps",
    "x_label": "n",
    "y_label": "ε",
    "y_scale": "log2",
    "tuned": ["optimizer.lr"],
    "lines": [{"x": 1}],
    "curves": [
        {
            "grid": "rate",
            "metric": "test_accuracy.best",
            "optimum": "optimizer.lr * 2",
            "tuned_by": "test_loss.final",
        }
    ],
}
HEAT_MAP = {
    "kind": "heat_map",
    "x": "optimizer.inner_steps",
    "y": "optimizer.lr",
    "x_label": "n",
    "y_label": "ε",
    "colour_label": "accuracy",
    "contours": [{"of": "optimizer.lr * optimizer.inner_steps", "label": "nε", "levels": "pow2(-4, 0)"}],
    "curves": [{"grid": "rate", "metric": "test_accuracy.best"}],
}

JUNK = st.sampled_from(
    [None, 3, -1.5, True, "x", "${symbols.x}", "", "pow2(1)", [], [None], {}, {"a": 1}, {1: 2}]
)


def places(node, path=()):
    yield path
    if isinstance(node, dict | list):
        for key, below in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(below, (*path, key))


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_in_a_file_no_other_error_escapes(load, composer, data):
    content = json.loads((Path(__file__).parent / "every_key.json").read_text())
    content["drawing"] = data.draw(
        st.sampled_from([content["drawing"], PHASE_OF_EVERY_KEY, OPTIMA, HEAT_MAP])
    )
    content = copy.deepcopy(content)
    path = data.draw(st.sampled_from(list(places(content))[1:]))
    inside = content
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = data.draw(JUNK)
    try:
        sweep = load(content)
        list(expand(sweep, composer))
    except UsageError as refused:
        says = str(refused)
        assert says.startswith("made.yaml")


@pytest.mark.parametrize("drawing", [None, PHASE_OF_EVERY_KEY, OPTIMA, HEAT_MAP])
def test_without_junk_it_is_read(load, drawing):
    content = json.loads((Path(__file__).parent / "every_key.json").read_text())
    assert load(content | ({"drawing": drawing} if drawing else {})).claims
