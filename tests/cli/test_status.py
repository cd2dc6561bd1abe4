"""`status` remembers which runs a sweep asks for, and tells the truth all the same."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from sgdlab.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
print("LIBRARIES", *sorted({"hydra", "omegaconf", "numpy"} & sys.modules.keys()), file=sys.stderr)
"""


def counts(terminal, *arguments):
    finished = terminal.sgdlab("status", "tiny", "--json", *arguments)
    assert finished.returncode == 0, finished.stderr
    return {state: number for state, number in json.loads(finished.stdout)["counts"].items() if number}


def test_a_second_status_goes_without_hydra_and_says_the_same(trained):
    answers = []
    for _ in range(2):
        finished = subprocess.run(
            [sys.executable, "-c", PROGRAM, "status", "tiny"],
            cwd=trained.folder,
            env=os.environ | {"XDG_CACHE_HOME": str(trained.folder / "new cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        answers.append(finished.stdout)
    assert answers[0] == answers[1]
    assert finished.stderr == "LIBRARIES\n"


def test_what_is_remembered_follows_the_sweep_file_and_the_overrides(trained):
    assert counts(trained) == {"done": 12}
    assert counts(trained, "optimizer.lr=2**-5,2**-2") == {"done": 6, "waiting": 3}
    assert counts(trained, "launcher.num_workers=3") == {"done": 12}
    path = trained.folder / "sweeps" / "tiny.yaml"
    path.write_text(path.read_text().replace("num_seeds: 3", "num_seeds: 4"))
    assert counts(trained) == {"done": 12, "waiting": 4}
    own = trained.folder / "conf" / "loss" / "cross_entropy.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("kind: cross_entropy\nl2: 0.5\n")
    assert counts(trained) == {"waiting": 16}


def test_another_store_is_another_answer(trained):
    assert counts(trained) == {"done": 12}
    assert counts(trained, "folders.store=nowhere") == {"waiting": 12}


@pytest.mark.parametrize(
    ("damage", "state"),
    [
        (lambda path: path.unlink(), "waiting"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged"),
        (lambda path: os.truncate(path, 0), "damaged"),
        (lambda path: path.write_bytes(b"?" * path.stat().st_size), "damaged"),
    ],
    ids=["gone", "cut", "empty", "replaced"],
)
def test_a_result_that_is_not_what_was_published_is_not_done(trained, damage, state):
    assert counts(trained) == {"done": 12}
    damage(trained.store.result_path(min(trained.results())))
    seen = counts(trained)
    seen["waiting"] = seen.pop("interrupted", 0) + seen.get("waiting", 0)
    assert {name: number for name, number in seen.items() if number} == {"done": 11, state: 1}


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: os.truncate(path, 10),
        lambda path: path.write_bytes(b"?" * path.stat().st_size),
    ],
    ids=["gone", "cut", "replaced"],
)
def test_curves_that_are_not_what_was_published_are_damage(trained, damage):
    assert counts(trained) == {"done": 12}
    (curves,) = trained.store.run_folder(min(trained.results())).glob("curves-*.npz")
    damage(curves)
    assert counts(trained) == {"done": 11, "damaged": 1}


def test_a_change_without_a_trace_is_found_by_verify_and_mended_by_retry(trained):
    assert counts(trained) == {"done": 12}
    (curves,) = trained.store.run_folder(min(trained.results())).glob("curves-*.npz")
    status = curves.stat()
    curves.write_bytes(b"?" * status.st_size)
    os.utime(curves, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert counts(trained) == {"done": 12}
    assert counts(trained, "--verify") == {"done": 11, "damaged": 1}
    assert trained.sgdlab("retry", "tiny", "--state", "damaged").stdout.startswith("1 damaged runs cleared")
    assert counts(trained) == {"done": 11, "waiting": 1}
