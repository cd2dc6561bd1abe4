"""The copy of the code that waiting jobs run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sgdlab.launch import code
from sgdlab.launch.code import snapshot_code

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """The package that is copied: a small one, in a checkout."""
    package = tmp_path / "shipped" / "src" / "sgdlab"  # folders above it are nobody's concern
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").write_text("answer = 1\n")
    (package / "room" / "kernel.cpp").write_bytes(b"\x00\xff")
    (package / "shipped" / "conf").mkdir(parents=True)
    (package / "shipped" / "conf" / "config.yaml").write_text("data: digits\n")
    for name in ("shipped/sweeps", "room/__pycache__"):
        (package / name).mkdir(parents=True)
        (package / name / "left-out").touch()
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*GIT, *command], cwd=tmp_path / "shipped", check=True)
    monkeypatch.setattr(code, "_PACKAGE", package)
    monkeypatch.setattr(code, "shipped_folder", lambda name: code._PACKAGE / "shipped" / name)
    code.commit.cache_clear()
    yield package
    code.commit.cache_clear()


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_copy_holds_the_code_what_configures_it_and_its_commit(store, package):
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=package, capture_output=True, text=True).stdout
    assert contents(snapshot_code(store)) == {
        "sgdlab/__init__.py": b"answer = 1\n",
        "sgdlab/room/kernel.cpp": b"\x00\xff",
        "sgdlab/shipped/conf/config.yaml": b"data: digits\n",
        "sgdlab/COMMIT": head.strip().encode(),
    }


def test_the_same_code_is_copied_once(store, package):
    first = snapshot_code(store)
    status = (first / "sgdlab/__init__.py").stat()
    assert snapshot_code(store) == first
    assert (first / "sgdlab/__init__.py").stat() == status
    assert list(first.parent.iterdir()) == [first]


def test_edits_make_another_copy_and_leave_the_first(store, package):
    first = snapshot_code(store)
    (package / "__init__.py").write_text("answer = 2\n")
    code.commit.cache_clear()
    second = snapshot_code(store)
    assert second != first
    assert (first / "sgdlab/__init__.py").read_text() == "answer = 1\n"
    assert (second / "sgdlab/__init__.py").read_text() == "answer = 2\n"
    assert (second / "sgdlab/COMMIT").read_text().endswith("+dirty")
    assert not (first / "sgdlab/COMMIT").read_text().endswith("+dirty")


def test_a_copy_of_a_copy_is_the_same(store, package, tmp_path, monkeypatch):
    """A job that submits another in its place runs from a copy: the commit is carried along."""
    first = snapshot_code(store)
    shutil.rmtree(package.parents[0])
    monkeypatch.setattr(code, "_PACKAGE", first / "sgdlab")
    code.commit.cache_clear()
    assert snapshot_code(store) == first


def test_without_a_checkout_there_is_no_commit(store, package):
    shutil.rmtree(package.parents[1] / ".git")
    assert code.commit() is None
    copy = snapshot_code(store)
    assert (copy / "sgdlab/COMMIT").read_text() == ""


def test_a_copy_that_was_cut_off_is_not_taken_for_one(store, package):
    (store.root / "code" / ".new-0123").mkdir(parents=True)
    copy = snapshot_code(store)
    assert (copy / "sgdlab/__init__.py").exists()


def test_the_real_package_runs_from_its_copy(store, tmp_path):
    copy = snapshot_code(store)
    program = (
        "import sgdlab.launch.worker_process, sgdlab.orchestration.slurm_job, sgdlab; print(sgdlab.__file__)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(copy), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ran.stdout.strip() == f"{copy}/sgdlab/__init__.py", ran.stderr
