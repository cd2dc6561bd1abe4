"""What W&B refuses is made legal: held against W&B's own checks, and read back with its own reader."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import wandb
from hypothesis import given
from hypothesis import strategies as st

from sgdlab.config.execution import WandbTracker
from sgdlab.tracking.staging import publish_once
from sgdlab.tracking.wandb_run import RunIdentity, legal_name, legal_tags, open_run


@given(st.lists(st.text(max_size=200)))
def test_tags_are_what_wandb_accepts(tags):
    legal = legal_tags(tags)
    assert wandb.Settings(run_tags=legal).run_tags == tuple(legal)
    assert len(set(legal)) == len(legal)
    assert legal_tags(legal) == legal


@given(st.text(max_size=300))
def test_names_fit_and_hold_no_control_characters(text):
    legal = legal_name(text)
    assert 1 <= len(legal) <= 128
    assert legal.isprintable()
    assert legal_name(legal) == legal


def test_what_fits_stays_and_what_differs_stays_different():
    assert legal_name("lr=2**-6 seed=3") == "lr=2**-6 seed=3"
    assert legal_name("ε = 2⁻⁶ <b>") == "ε = 2⁻⁶ <b>"
    assert legal_name("two\nlines\x1b[31m") == "two lines [31m"
    assert legal_name("\x00\x07") == "unnamed"
    long, other = "a" * 200 + "b", "a" * 200 + "c"
    assert legal_name(long) != legal_name(other)
    assert legal_name(long) == legal_name(long)
    assert legal_tags(["a" * 65, "", "\t", "x", "x"]) == [legal_tags(["a" * 65])[0], "x"]
    assert legal_tags(["a" * 64]) == ["a" * 64]


HOSTILE = "<script>alert(1)</script>\x00\x1b[2J\r\n\u202eevil 'quote\" \ud800 " + "x" * 300


def test_hostile_content_breaks_no_export(tmp_path):
    tracker = WandbTracker(folder=tmp_path, project="the-project")
    key = uuid.uuid4().hex
    identity = RunIdentity(key, HOSTILE, HOSTILE, HOSTILE, (HOSTILE, HOSTILE, "fine"))

    def write(workplace: Path):
        with open_run(identity, {"provenance": {"error": HOSTILE, HOSTILE: 1}}, tracker, workplace) as run:
            run.log({"loss": 1.0})
            run.summary.update({"error": HOSTILE})

    folder = publish_once(key, tracker, write)
    command = [Path(sys.executable).parent / "wandb", "leet", "inspect", folder, "--json"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    records = [json.loads(line) for line in text.splitlines()]
    (run,) = [record["run"] for record in records if record["type"] == "run"]
    assert run["display_name"] == legal_name(HOSTILE)
    assert run["tags"] == [legal_tags([HOSTILE])[0], "fine"]
    assert any(record["type"] == "history" for record in records)


@pytest.mark.parametrize("surrogate", ["\ud800", "a\udfff"])
def test_half_a_character_is_no_character(surrogate):
    assert legal_name(surrogate).encode()
