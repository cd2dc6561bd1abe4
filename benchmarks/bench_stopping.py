"""Seeds in rounds and successive halving, tried on made-up runs whose truth is known; nothing is trained.

    python benchmarks/bench_stopping.py [--sweeps N] [--cases N]

First, claims: how often one is decided · and with how many seeds on average, if it is judged once with all n
seeds, at every look by the usual 95 % interval, or by the intervals of protocol.seeds=claims. With a shift of
0 the truth lies on the threshold, and every decision is a false one. Then halving: what it saves, and keeps.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from extension.simulated import SHAPES, Case, Shape
from stopping.decisions import QUESTIONS, RULES, Outcome, outcomes
from stopping.halved import Halved, halve_curves

LOOKS = (range(5, 8), range(5, 13))  # best 5 of 7 as the papers have it, and up to 12 seeds
SHIFTS = (0.0, 1.0, 2.0)  # in deviations of a run
NOISES = (0.002, 0.01, 0.03, 0.06)
PROTOCOLS = ((7, 5), (15, 12))  # n, k


CURVES: dict[str, Shape] = {**SHAPES, "flat": lambda _: 0.9}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sweeps", type=int, default=1000, help="made up for each row about claims")
    parser.add_argument("--cases", type=int, default=20, help="of three curves each, for each row on halving")
    arguments = parser.parse_args()
    console = Console()
    console.print(table_of_claims(arguments.sweeps))
    for num_seeds, keep in PROTOCOLS:
        console.print(f"\nhalving, best {keep} of {num_seeds}")
        console.print(table_of_halving(num_seeds, keep, arguments.cases))


def table_of_claims(num_sweeps: int) -> Table:
    """Decide made-up claims by each rule."""
    listing = Table("claim", "looks", "shift", *RULES, box=None, pad_edge=False)
    for name, question in QUESTIONS.items():
        for looks in LOOKS:
            for shift in SHIFTS:
                found = outcomes(question, shift, looks, num_sweeps)
                cells = [_describe_outcomes(found[rule]) for rule in RULES]
                listing.add_row(name, f"{looks[0]} to {looks[-1]}", f"{shift:g}", *cells)
    return listing


def table_of_halving(num_seeds: int, keep: int, num_cases: int) -> Table:
    """Halve made-up curves of each shape and noise."""
    columns = ("curve", "noise", "runs", "true best kept", "same optimum", "of the error bar", "loss")
    listing = Table(*columns, box=None, pad_edge=False)
    for name, shape in CURVES.items():
        for noise in NOISES:
            cases = [Case(shape, noise, number) for number in range(num_cases)]
            halved = [one for case in cases for one in halve_curves(case, num_seeds, keep)]
            listing.add_row(
                name,
                f"{noise:g}",
                f"{_mean(halved, lambda one: one.share_of_runs):.0%}",
                f"{_mean(halved, lambda one: one.has_true_best):.0%}",
                f"{_mean(halved, lambda one: one.is_same_optimum):.0%}",
                f"{_mean(halved, lambda one: one.share_of_bar):.0%}",
                f"{_mean(halved, lambda one: one.loss):.4f}",
            )
    return listing


def _describe_outcomes(found: Sequence[Outcome]) -> str:
    decided = sum(one.is_decided for one in found) / len(found)
    seeds = sum(one.num_seeds for one in found) / len(found)
    return f"{100 * decided:.1f} % · {seeds:.1f}"


def _mean(halved: Sequence[Halved], of: Callable[[Halved], float]) -> float:
    return sum(map(of, halved)) / len(halved)


if __name__ == "__main__":
    main()
