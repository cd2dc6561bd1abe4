"""What a report's page takes: CPU time to read its results and to write it, and its size.

    python benchmarks/report_page.py SWEEP… [KEY=VALUE…] [--scale SCALE]

Sweeps and keys are those of `sgdlab report`, in the same folder. A page is to be below ten megabytes for ten
thousand runs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sgdlab.analysis.collect import observe
from sgdlab.cli.request import open_request
from sgdlab.reports.failures import failures_of
from sgdlab.reports.html_page import write_report
from sgdlab.reports.provenance import provenance_of
from sgdlab.reports.section import SweepSection, section_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("arguments", nargs="+")
    parser.add_argument("--scale", default="laptop")
    parser.add_argument("--made-up-curves", action="store_true", help="for stores of bench_scale.py")
    asked = parser.parse_args()
    started = time.process_time()
    sections: list[SweepSection] = []
    with open_request(asked.arguments, asked.scale) as request:
        for sweep, known in zip(request.sweeps, request.known(), strict=True):
            observations = observe(sweep, known, request.store)
            provenance = provenance_of(set(known.keys), request.store)
            failed = [run.key for run in observations if run.state == "failed"]
            failures = failures_of(failed, request.store)
            sections.append(section_of(sweep, observations, provenance, failures=failures))
        store = request.store
    read_curves = _made_up if asked.made_up_curves else store.read_curves
    read = time.process_time()
    with TemporaryDirectory() as folder:
        size = write_report(sections, Path(folder) / "report.html", read_curves=read_curves).stat().st_size
    written = time.process_time()
    num_runs = len({run.key for section in sections for run in section.runs})
    num_rows = sum(len(section.runs) for section in sections)
    print(f"{len(sections)} sweeps, {num_runs:,} runs in {num_rows:,} rows")
    print(f"results read and computed in {read - started:.1f} s, page written in {written - read:.1f} s")
    print(f"{size / 1e6:.2f} MB")


def _made_up(key: str) -> dict[str, np.ndarray]:
    """Return sixty evaluations."""
    generator = np.random.default_rng(int(key[:8], 16))
    return {"updates": 250 * np.arange(1, 61), "test_accuracy": generator.random(60)}


if __name__ == "__main__":
    main()
