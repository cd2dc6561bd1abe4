"""How checks of equations look: a table of findings for each in a terminal, or JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sgdlab.analysis.claims import describe_expectation
from sgdlab.cli.output import console, table
from sgdlab.theory.check import Check, CheckReport, Finding


def print_checks(checks: Sequence[Check]) -> None:
    """Print the name, the equations and the title of each check."""
    listing = table("check", "equations", "title")
    for check in checks:
        listing.add_row(check.name, check.equations, check.title)
    console().print(listing)


def print_report(check: Check, report: CheckReport, paths: Sequence[Path]) -> None:
    """Print what was measured, what was expected of it and the verdict; then settings and figures."""
    print(f"{check.name}: {check.title} ({check.paper}, {check.equations})")
    listing = table("verdict", "measured [95 %]", "expected", "the equation says")
    for finding in report.findings:
        says = f"{finding.says} {finding.remark}".rstrip()
        expected = describe_expectation(finding.expect)
        listing.add_row(finding.verdict.upper(), finding.measured, expected, says)
    console().print(listing)
    print(*(f"  {note}" for note in report.notes), sep="\n")
    print(*(f"  {path}" for path in paths), sep="\n", end="\n\n")


def record_of_check(check: Check) -> dict[str, Any]:
    """Return a check ready for JSON."""
    return {
        "check": check.name,
        "paper": check.paper,
        "equations": check.equations,
        "title": check.title,
    }


def record_of_report(check: Check, report: CheckReport, paths: Sequence[Path]) -> dict[str, Any]:
    """Return what came out of a check ready for JSON."""
    return {
        **record_of_check(check),
        "findings": [_record_of_finding(finding) for finding in report.findings],
        "notes": report.notes,
        "figures": [str(path) for path in paths],
    }


def _record_of_finding(finding: Finding) -> dict[str, Any]:
    """JSON has no infinity: None stands for an unbounded end."""
    return {
        "says": finding.says,
        "value": finding.value,
        "interval": [end if math.isfinite(end) else None for end in finding.interval],
        "expect": finding.expect.model_dump(mode="json", exclude_none=True),
        "verdict": finding.verdict,
        "remark": finding.remark,
    }
