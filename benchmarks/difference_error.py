"""What finite differences are worth as an estimator of the modified loss's gradient g + (λ/2)·H g.

On the digits, with small multilayer perceptrons, fresh and trained: the error of H·g against double backward,
that of the whole update direction, what it does to training, and what a step costs. Writes the tables in
docs/penalty.md between their marks, and its pictures. With --quick it measures next to nothing and shows that
everything works, in a folder that is thrown away.
"""

from __future__ import annotations

import argparse
import logging
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from differences.numbers import describe, with_numbers
from differences.pictures import draw_all
from differences.setting import DATA
from differences.study import QUICK, Budget, Study, conduct
from sgdlab.data.load import load_dataset

_DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test: nothing in docs/ changes")
    is_quick = parser.parse_args().quick
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    start = time.perf_counter()
    study = conduct(QUICK if is_quick else Budget(), load_dataset(DATA, Path("data")), _say)
    numbers = describe(study, provenance())
    if is_quick:
        with tempfile.TemporaryDirectory(prefix="penalty-") as folder:
            draw_all(study, Path(folder))
        print(numbers)
    else:
        write(study, numbers, _DOCS)
    print(f"{time.perf_counter() - start:.0f} s")


def write(study: Study, numbers: str, docs: Path) -> None:
    """Put the numbers into the page and draw the pictures beside it."""
    page = docs / "penalty.md"
    page.write_text(with_numbers(page.read_text(encoding="utf-8"), numbers), encoding="utf-8")
    print("written:", page, *draw_all(study, docs / "images"), sep="\n  ")


def provenance() -> str:
    """Say what measured."""
    return f"sgdlab {version('sgdlab')}, torch {version('torch')}, one core of {platform.machine()}."


def _say(what: str) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    main()
