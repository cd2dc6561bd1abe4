"""The examples of the documents are sweep files that plan."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from sgdlab.config.numbers import expand_pow2
from sgdlab.sweeps.expand import expand

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def example():
    def read(document: str) -> str:
        (text,) = re.findall(r"```yaml\n(.*?)```", (DOCS / document).read_text(), flags=re.DOTALL)
        return text

    return read


def test_the_complete_example_plans_at_both_scales(load, example, composer):
    paper = load(example("sweeps.md"), scale="paper")
    rows = list(expand(paper, composer))
    assert len(rows) == (3 * 8 + 4) * 7
    assert {row.run.num_updates * row.run.optimizer.batch_size for row in rows} == {2**17}
    for row in rows:
        if row.grid == "batch":
            assert row.run.num_updates / row.run.evaluate_every_num_updates == 32
    laptop = load(example("sweeps.md"))
    assert {row.run.data.num_train for row in expand(laptop, composer)} == {256}
    assert list(load(example("sweeps.md"), "data=digits,mnist1d").panels) == ["digits", "mnist1d"]


def test_the_tutorials_example_plans_what_it_says(load, example, composer):
    assert len(list(expand(load(example("tutorial.md")), composer))) == 35
    wider = load(example("tutorial.md"), expand_pow2("optimizer.lr=pow2(-8,0)"))
    assert len(list(expand(wider, composer))) == 35 + 2 * 5


def test_the_examples_of_drawings_and_claims_are_read(load, composer):
    """The page's fragments, put into one file with the grids that they speak of."""
    text = (DOCS / "sweeps.md").read_text()
    fragments = [
        yaml.safe_load(textwrap.dedent(block))
        for block in re.findall(r"\n\n((?:    .*\n)+)", text)
        if block.lstrip().startswith(("drawing:", "symbols:", "claims:"))
    ]
    axes = {"optimizer.batch_size": [8, 16, 32], "optimizer.lr": "pow2(-8, -2)"}
    grids = {
        name: {"label": name, "axes": {**axes, **more}, "fixed": fixed}
        for name, more, fixed in (
            ("sgd", {}, {"optimizer.momentum": 0}),
            ("momentum", {}, {"optimizer.momentum": 0.9}),
            ("map", {}, {}),
            ("gd", {"optimizer.batch_size": [8]}, {}),
            ("inner_steps", {"optimizer.inner_steps": [1, 2, 4]}, {}),
        )
    }
    content = {"paper": "made", "figure": "up", "title": "t", "scales": {"laptop": {}}, "grids": grids}
    content["base"] = {
        "data": "digits",
        "landscape": "measured",
        "landscape.quantities": ["interaction", "step"],
    }
    content["base"]["budget.num_epochs"] = 2
    (claims,) = [fragment["claims"] for fragment in fragments if "claims" in fragment]
    drawings = [fragment for fragment in fragments if "drawing" in fragment]
    assert [fragment["drawing"]["kind"] for fragment in drawings] == ["phase", "optima", "heat_map"]
    for fragment in drawings:
        assert len(load({**content, **fragment, "claims": claims}).claims) == 6
