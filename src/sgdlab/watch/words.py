"""Words and bars of the view; whatever comes from files is shown as text and never obeyed by the terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sgdlab.config.durations import describe_duration
from sgdlab.launch.live.state import SweepState

_FULL, _GROUND = "█", "░"
_PARTS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
# C0, DEL and C1; marks that turn the direction of text; line separators; halves of surrogate pairs
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def shown(text: str) -> str:
    """Return text in which everything that a terminal would obey is spelled out, as Python writes it."""
    return _UNSHOWN.sub(lambda found: repr(found.group())[1:-1], text)


def shown_lines(text: str) -> str:
    """Return text of several lines, each as `shown`."""
    return "\n".join(shown(line.expandtabs()) for line in text.split("\n"))


def bar(share: float, width: int) -> str:
    """Draw a share of 0 to 1, to an eighth of a character; only all is drawn full."""
    eighths = int(8 * width * min(1.0, max(0.0, share)))
    drawn = _FULL * (eighths // 8) + _PARTS[eighths % 8]
    return drawn + _GROUND * (width - len(drawn))


def percent(sweep: SweepState) -> str:
    """Write the share of updates made, cut and not rounded: 100% means all."""
    return f"{100 * sweep.updates_done // sweep.updates_total}%" if sweep.updates_total else "100%"


def share_of(sweep: SweepState) -> float:
    """Return the share of updates made."""
    return sweep.updates_done / sweep.updates_total if sweep.updates_total else 1.0


def number(value: float | None) -> str:
    """Write a number in at most six characters: 0.25, 7.1, 1,234, 12.3k, 1.2M; a dash where there is none."""
    if value is None:
        return "-"
    if value < 10:
        return f"{value:.2f}".rstrip("0").rstrip(".") if value else "0"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            scaled = value / (size if unit != "k" else 1e3)
            return f"{scaled:.1f}{unit}" if scaled < 100 else f"{scaled:.0f}{unit}"
    return f"{value:,.0f}"


def time_left(sweep: SweepState) -> str:
    """Write the time left; a dash where it isn't known or there is nothing left."""
    if not sweep.updates_left or sweep.seconds_left is None:
        return "-"
    return describe_duration(sweep.seconds_left)


def ago(at: str) -> str:
    """Write how long ago an ISO time was, by this machine's clock; a dash where it can't be read."""
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
    except (ValueError, TypeError):
        return "-"
    return describe_duration(max(0.0, seconds))


def count_of(counted: int, noun: str) -> str:
    """Write a count: 1 run, 2 runs."""
    return f"{counted:,} {noun}" if counted == 1 else f"{counted:,} {noun}s"


def standing(sweep: SweepState) -> str:
    """Write the runs by state, those there are; and the pace."""
    if sweep.problem is not None:
        return shown(sweep.problem)
    counts = sweep.counts
    done = counts["done"] + counts["diverged"]
    parts = [f"{done:,} of {sweep.num_runs:,} runs done"]
    parts += [f"{counts['diverged']:,} of them diverged"] if counts["diverged"] else []
    states = ("running", "unknown", "interrupted", "failed", "damaged", "waiting")
    parts += [f"{counts[state]:,} {state}" for state in states if counts[state]]
    if sweep.updates_per_s is not None:
        parts.append(f"{number(sweep.updates_per_s)} updates/s")
        parts += [f"{time_left(sweep)} left"] if time_left(sweep) != "-" else []
    return ", ".join(parts)
