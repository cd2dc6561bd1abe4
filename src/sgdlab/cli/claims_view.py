"""How claims over many sweeps look: one table, or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from sgdlab.analysis.claims import Verdict, describe_expectation, describe_number
from sgdlab.analysis.tables import record_of_verdict
from sgdlab.cli.output import console, print_json
from sgdlab.sweeps.spec import Sweep


def print_claims(judged: Sequence[tuple[Sweep, Sequence[Verdict]]], as_json: bool) -> None:
    """Print each claim with its verdict, number, interval and expectation, and how many there are."""
    if as_json:
        print_json(
            [
                {"sweep": f"{sweep.name} @ {sweep.scale}", "claims": [*map(record_of_verdict, verdicts)]}
                for sweep, verdicts in judged
            ]
        )
        return
    for sweep, verdicts in judged:
        print(f"{sweep.name} @ {sweep.scale}: {sweep.title}")
        listing = Table.grid(padding=(0, 2))
        listing.add_column(no_wrap=True)
        listing.add_column(overflow="fold")
        for verdict in verdicts:
            where = f"{verdict.panel}: " if len(sweep.panels) > 1 else ""
            expected = describe_expectation(verdict.claim.expect)
            number = f"{describe_number(verdict) or 'no number'}, expected {expected}{_obstacle(verdict)}"
            listing.add_row(f"  {verdict.verdict.upper()}", f"{where}{verdict.claim.says}\n{number}")
        console().print(listing)
    tally = Counter(verdict.verdict for _, verdicts in judged for verdict in verdicts)
    print("claims: " + (", ".join(f"{count} {verdict}" for verdict, count in tally.most_common()) or "none"))


def _obstacle(verdict: Verdict) -> str:
    """Say why a claim is undecided whatever its interval says; nothing where that is the interval's doing."""
    first, _, _ = verdict.reason.partition("; ")
    is_by_interval = verdict.verdict != "inconclusive" or first.startswith("the interval")
    return "" if is_by_interval else f"; {first}"
