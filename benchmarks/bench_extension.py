"""Try the extension of grids on curves whose optimum is known, and print what it saves.

    python benchmarks/bench_extension.py [--cases N] [--points K]

Each case starts on five learning rates, at places from far below the optimum to far above it, with three
batch sizes whose optima lie two steps apart. *right*: the optimum is found to one step of the grid, factor 2.
"""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from extension.simulated import (
    BATCH_SIZES,
    NUM_SEEDS,
    SHAPES,
    WIDE,
    Case,
    follow,
    make_sweep,
    num_right_on_wide_grid,
)

NOISES = (0.002, 0.01, 0.03, 0.06)
STARTS = (-10, -8, -6, -4, -2, 0, 2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=4, help="with other noise, of each row and start")
    parser.add_argument("--points", type=int, default=1, help="extend.points")
    arguments = parser.parse_args()
    columns = ("curve", "noise", "runs", "of wide", "rounds", "interior", "right", "right, wide")
    listing = Table(*columns, box=None, pad_edge=False)
    num_wide = len(WIDE) * len(BATCH_SIZES) * NUM_SEEDS
    for name, shape in SHAPES.items():
        for noise in NOISES:
            cases = [Case(shape, noise, number) for number in range(arguments.cases)]
            followed = [
                (case, follow(make_sweep(range(start, start + 5), points=arguments.points), case))
                for case in cases
                for start in STARTS
            ]
            ends = [one for _, each in followed for one in each.assessments]
            num_runs = sum(each.num_runs for _, each in followed) / len(followed)
            num_right = sum(each.num_right(case) for case, each in followed)
            num_right_wide = sum(map(num_right_on_wide_grid, cases))
            listing.add_row(
                name,
                f"{noise:g}",
                f"{num_runs:.0f}",
                f"{num_runs / num_wide:.0%}",
                f"{max(each.num_rounds for _, each in followed)}",
                f"{sum(one.standing == 'interior' for one in ends) / len(ends):.0%}",
                f"{num_right / len(ends):.0%}",
                f"{num_right_wide / (len(cases) * len(BATCH_SIZES)):.0%}",
            )
    Console().print(listing)
    print(f"wide: {num_wide} runs")


if __name__ == "__main__":
    main()
