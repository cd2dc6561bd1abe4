"""The page on experiments of one's own: its two files are run as they stand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "new-experiment.md"


@pytest.fixture
def experiment(terminal):
    text = PAGE.read_text()
    (network,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (sweep,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (terminal.folder / "residual.py").write_text(network)
    (terminal.folder / "sweeps" / "residual.yaml").write_text(sweep)
    return terminal


def test_its_two_files_are_an_experiment(experiment):
    smaller = ("budget.num_epochs=2", "optimizer.lr=2**-6,2**-5", "tracker=none", "launcher.num_workers=1")
    ran = experiment.sgdlab("run", "residual", *smaller)
    assert ran.returncode == 0, ran.stderr
    assert "12/12 runs done" in ran.stderr
    results = experiment.results()
    assert {state for state, *_ in results.values()} == {"done"}
    stored = [experiment.store.read_result(key).config["model"] for key in results]
    assert {tuple(model["options"].items()) for model in stored} == {
        (("width", 16), ("num_blocks", 1)),
        (("width", 16), ("num_blocks", 4)),
    }
    shown = experiment.sgdlab("results", "residual", *smaller[:2])
    assert shown.returncode == 0, shown.stderr
    assert "missing" not in shown.stdout

    # another text of the file isn't taken for the one that was trained
    file = experiment.folder / "residual.py"
    file.write_text(file.read_text().replace("torch.relu(hidden)", "torch.tanh(hidden)"))
    refused = experiment.sgdlab("run", "residual", *smaller)
    assert refused.returncode == 1
    assert "has changed since run" in refused.stderr
    assert "raise model.revision" in " ".join(refused.stderr.split())
    again = experiment.sgdlab("plan", "residual", *smaller, "model.revision=2", "--json")
    assert json.loads(again.stdout)["num_to_train"] == 12


def test_what_is_wrong_is_said_before_anything_is_submitted(experiment):
    file = experiment.folder / "residual.py"
    messages = {
        "model.network=other.py:ResidualMlp": "there is no file",
        "model.network=others.residual:ResidualMlp": "there is no module others.residual",
        "model.network=residual:Residual": "defines no class Residual; it has ResidualMlp",
        "model.options.depth=3": "model.options.depth: class ResidualMlp of residual.py doesn't take it; "
        "it takes width, num_blocks",
    }
    for given, message in messages.items():
        refused = experiment.sgdlab("plan", "residual", given)
        assert (refused.returncode, message in " ".join(refused.stderr.split())) == (2, True), refused.stderr
    file.write_text(file.read_text().replace("def logits", "def outputs"))
    refused = experiment.sgdlab("run", "residual")
    assert (refused.returncode, "has no method logits" in refused.stderr) == (2, True), refused.stderr
    assert not (experiment.folder / "outputs").exists()


def test_a_file_that_fails_in_the_worker_is_named(experiment):
    file = experiment.folder / "residual.py"
    file.write_text("import nowhere_to_be_found\n" + file.read_text())
    failed = experiment.sgdlab(
        "train",
        "data=digits",
        "model=custom",
        "model.network=residual.py:ResidualMlp",
        "tracker=none",
        "launcher.num_workers=1",
    )
    assert failed.returncode == 1
    assert "residual.py can't be imported: ModuleNotFoundError" in " ".join(failed.stderr.split())
