"""A forecast for people."""

from __future__ import annotations

from sgdlab.cli.output import console, table
from sgdlab.config.durations import describe_duration
from sgdlab.sweeps.forecast import Forecast, StepForecast

_UNITS = {"cpu": "core-hours", "cuda": "GPU-hours"}


def print_forecast(expected: Forecast) -> None:
    """Print what would be trained, its cost step by step, and the time it takes."""
    shared = expected.num_asked - expected.num_distinct
    print(f"runs        {expected.num_distinct} ({expected.num_asked} asked for, {shared} shared by grids)")
    print(f"stored      {expected.num_done} done, {expected.num_diverged} diverged")
    if expected.num_failed or expected.num_damaged:
        print(f"            {expected.num_failed} failed, {expected.num_damaged} damaged: `sgdlab retry`")
    print(
        f"to train    {expected.num_to_train} in {expected.num_packs} packs, {expected.num_updates:,} updates"
    )
    if expected.num_to_train:
        _print_cost(expected)
    if expected.num_doubtful_penalties:
        runs = "1 run" if expected.num_doubtful_penalties == 1 else f"{expected.num_doubtful_penalties} runs"
        print(f"caution     {runs}: finite differences with ReLU are unreliable (docs/penalty.md)")


def _print_cost(expected: Forecast) -> None:
    print(f"disk        {expected.num_files} files, about {expected.num_bytes / 1e6:.1f} MB")
    print(f"time        {_time(expected)}")
    print()
    _print_steps(expected)
    print("\nwidth: runs trained together; µs: one run's update; time: of all workers")


def _time(expected: Forecast) -> str:
    if expected.wall_hours is None or expected.device_hours is None:
        return (
            f"unknown: the steps of {expected.num_unknown} of {expected.num_to_train} runs were never\n"
            "            measured here; with --measure this command does it, in seconds a step"
        )
    wall = describe_duration(3600 * expected.wall_hours)
    workers = "1 worker" if expected.num_workers == 1 else f"{expected.num_workers} workers"
    unit = _UNITS[expected.device_kind]
    return f"about {wall} with {workers}, {expected.device_hours:.3g} {unit}\n            {expected.device}"


def _print_steps(expected: Forecast) -> None:
    numeric = ("runs", "updates", "width", "µs", "time")
    listing = table("step", "runs", "updates", "width", "backend", "µs", "time", numeric=numeric)
    for step in expected.steps:
        listing.add_row(
            step.step,
            f"{step.num_runs}",
            f"{step.num_updates:,}",
            f"{step.pack_width}",
            step.backend or "–",
            _microseconds(step),
            "unknown" if step.device_s is None else describe_duration(step.device_s),
        )
    console().print(listing)


def _microseconds(step: StepForecast) -> str:
    """Write the time of one update of one run with three digits."""
    if step.update_s is None:
        return "–"
    value = 1e6 * step.update_s
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
