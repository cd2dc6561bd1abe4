"""The repository's own promises: pins, make targets, stamps, links."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/**/*.md")
    for path in sorted(ROOT.glob(pattern))
]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def requirements() -> list[Requirement]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [*pyproject["dependency-groups"].values(), pyproject["build-system"]["requires"]]
    listed = pyproject["project"]["dependencies"] + [line for group in groups for line in group]
    return [Requirement(line) for line in listed]


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    command = ["make", "--directory", str(folder), "--no-print-directory", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_every_requirement_is_pinned_to_a_version_it_allows(requirement: Requirement) -> None:
    pinned = {canonicalize_name(name): version for name, version in pins().items()}
    assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])


def test_pins_are_plain_versions() -> None:
    for name, version in pins().items():
        assert re.fullmatch(r"[\w.]+", version), f"{name}=={version}: no local part, marker, hash or address"


def test_make_alone_lists_every_target() -> None:
    listed = re.findall(r"^  ([a-z-]+) ", make(ROOT).stdout, flags=re.MULTILINE)
    phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert listed == [target for target in " ".join(phony).split() if not target.endswith("-is-named")]


def test_make_sweep_without_a_name_says_what_is_missing() -> None:
    finished = make(ROOT, "sweep", "SWEEP=")
    assert finished.returncode == 2
    assert "make sweep: say which, e.g. SWEEP=smith2021/fig1b" in finished.stdout


def test_make_measure_without_a_run_says_what_is_missing() -> None:
    finished = make(ROOT, "measure", "RUN=")
    assert finished.returncode == 2
    assert "make measure: say which run, by its key" in finished.stdout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a checkout whose environment is made, as far as make can see."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / ".venv").mkdir()
    for when, name in enumerate(("pip", "runtime", "dev"), start=2):
        (tmp_path / ".venv" / f"{name}.stamp").touch()
        os.utime(tmp_path / ".venv" / f"{name}.stamp", (when, when))
    return tmp_path


@pytest.mark.parametrize("target", ["demo", "test", "lint"])
def test_a_second_make_installs_nothing(installed: Path, target: str) -> None:
    planned = make(installed, "--dry-run", target).stdout
    assert planned
    assert "pip install" not in planned


def test_a_new_dependency_is_installed(installed: Path) -> None:
    (installed / "pyproject.toml").touch()
    planned = make(installed, "--dry-run", "demo").stdout
    assert "pip install" in planned
    assert "--editable ." in planned


def test_the_demo_leaves_development_tools_alone(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    assert "--group" not in make(tmp_path, "--dry-run", "demo").stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_relative_links_resolve(document: Path) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / document).read_text(), flags=re.DOTALL)
    targets = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [target for target in targets if target and not (ROOT / document.parent / target).exists()]
    assert not missing


def test_ci_runs_tests_and_lint_as_a_developer_would() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert "set -euo pipefail" in lines
    assert [line.split(" ||")[0] for line in lines if line.startswith("make ")] == ["make test", "make lint"]
