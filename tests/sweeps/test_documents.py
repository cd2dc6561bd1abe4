"""The examples of the documents are sweep files that plan."""

import re
from pathlib import Path

import pytest

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
