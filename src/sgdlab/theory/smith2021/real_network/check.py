"""How far the modified flow holds on a real network as ε grows (smith2021, eq. 14–22).

A tanh MLP that has begun to learn 256 digits is trained for one epoch, and for several, from one point, over more
than a thousand random shuffles, each with its reverse. The mean iterate is held against the flows on C and on
E C_SGD over the same time nmε. What counts is mε times the Hessian's largest eigenvalue λ at the start: the
derivation leaves out terms in its powers, so it speaks of mελ well below 1. Beyond, it is measured how far it holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.group_statistics import deviation
from sgdlab.theory.smith2021.real_network.estimated import crossing, estimate, order_in_lr, value_at
from sgdlab.theory.smith2021.real_network.figure import real_network_figure
from sgdlab.theory.smith2021.real_network.mean_iterate import RELATIVE_TOLERANCE, MeanIterate, tolerance_effect
from sgdlab.theory.smith2021.real_network.measurements import (
    ONE_EPOCH,
    FIXED_TIME,
    SMALL_BATCHES,
    SMALL_TIMES,
    Measurements,
    measure,
)
from sgdlab.theory.smith2021.real_network.setting import (
    HIDDEN_WIDTHS,
    NUM_EXAMPLES,
    NUM_WARM_UP_UPDATES,
    WARM_UP_LR,
    Setting,
    begin,
)

_WANTED_PRECISION = 0.1  # relative standard error, where the runs that would be needed are counted


def run() -> CheckReport:
    """Measure how much of SGD's mean iterate the modified flow explains, from small ε to beyond 2/λ."""
    setting = begin()
    measured = measure(setting)
    notes = _notes(setting, measured)
    findings = (*_orders(measured), *_reach(setting, measured), *_pairing(measured))
    return CheckReport(findings, real_network_figure(setting, measured, notes), notes)


def _orders(measured: Measurements) -> Iterator[Finding]:
    small = [measured.one_epoch[time] for time in SMALL_TIMES]
    fixed = list(measured.fixed_time.values())
    epoch, time = "After one epoch the mean iterate is", "After a fixed time the mean iterate is"
    yield order_in_lr(f"{epoch} O(ε³) from the flow on E C_SGD.", small, MeanIterate.error, 3)
    yield order_in_lr(f"{epoch} O(ε²) from the flow on C.", small, MeanIterate.plain_error, 2)
    yield order_in_lr(f"{time} O(ε²) from the flow on E C_SGD.", fixed, MeanIterate.error, 2)
    yield order_in_lr(f"{time} O(ε) from the flow on C.", fixed, MeanIterate.plain_error, 1)


def _reach(setting: Setting, measured: Measurements) -> Iterator[Finding]:
    """What is left unexplained as ε grows: eq. 18 expects little while mελ is small, and says nothing beyond."""
    one, several = measured.one_epoch, measured.four_epochs
    left, most = MeanIterate.unexplained, Expectation(below=0.5)
    for time in (0.2, 0.8, 3.2):
        says = f"At mελ = {time:g} the modified flow leaves less than half of gradient flow's error"
        yield value_at(f"{says} after one epoch.", one[time], left, most)
        yield value_at(f"{says} after 4 epochs.", several[time], left, most)
    for level in (0.25, 0.5):
        says = f"More than {level:.0%} of gradient flow's error is left only where mελ is above 1"
        yield crossing(f"{says}, after one epoch.", one, left, level, Expectation(above=1))
        yield crossing(
            f"{says}, after 4 epochs.", several, left, level, Expectation(above=1)
        )
    edge = 2.0 * setting.num_batches(ONE_EPOCH)
    yield value_at(
        "At ε = 2/λ, where gradient descent becomes unstable, the modified flow is still the closer one.",
        one[edge],
        left,
        Expectation(below=1),
        f"mελ = {edge:g}.",
    )


def _pairing(measured: Measurements) -> Iterator[Finding]:
    size = ONE_EPOCH.group_size
    small = [measured.one_epoch[time] for time in SMALL_TIMES]
    yield value_at(
        "Pairs of an order and its reverse cut the variance of the mean, at an equal number of runs.",
        measured.one_epoch[0.2],
        lambda one, kept: (deviation(one.single[kept], size) / deviation(one.pairs[kept], size)) ** 2 / 2,
        Expectation(above=1),
        "The ratio at mελ = 0.2.",
    )
    yield order_in_lr(
        "A pair still has noise of O(ε²): which examples share a batch.",
        small,
        lambda one, kept: deviation(one.pairs[kept], size),
        2,
    )
    yield order_in_lr(
        "Without the term of the batches' composition, which is known, the noise is O(ε³).",
        small,
        lambda one, kept: deviation(one.corrected[kept], size),
        3,
    )


def _notes(setting: Setting, measured: Measurements) -> tuple[str, ...]:
    widths = "-".join(map(str, (64, *HIDDEN_WIDTHS, 10)))
    everyone = [
        *measured.one_epoch.values(),
        *measured.four_epochs.values(),
        *measured.small_batches.values(),
        *measured.fixed_time.values(),
    ]
    errors = estimate(everyone, MeanIterate.error)
    worst_noise = max(errors.standard_errors / errors.values)
    return (
        f"cross-entropy of a tanh MLP {widths} ({len(setting.problem.start)} parameters) on {NUM_EXAMPLES} digits, "
        f"float64; all runs start where {NUM_WARM_UP_UPDATES} updates of gradient descent at ε = {WARM_UP_LR:g} "
        f"lead: cost {setting.cost:.2f}, λ = {setting.top_eigenvalue:.2f}",
        f"{ONE_EPOCH.num_pairs:,} shuffles, each with its reverse, at every ε: m = "
        f"{setting.num_batches(ONE_EPOCH)} batches of {ONE_EPOCH.batch_size}, and m = "
        f"{setting.num_batches(SMALL_BATCHES)} of {SMALL_BATCHES.batch_size}; so many that the standard error of an "
        f"error is at most {worst_noise:.0%} of it",
        _runs_needed(measured),
        "distances are without the noise's own share; error bars are standard errors, by the jackknife over "
        f"{ONE_EPOCH.num_groups} groups of shuffles",
        f"flows to a relative tolerance of {RELATIVE_TOLERANCE:g}: halving it moves the ends at mελ = 0.05 and 3.2 by at most "
        f"{_tolerance_share(setting, measured):.0e} of the error; the fixed time is {FIXED_TIME:g}/λ",
    )


def _tolerance_share(setting: Setting, measured: Measurements) -> float:
    """Return the larger effect of halving the tolerance, as a share of the error, where that is least and in between."""
    checked = [measured.one_epoch[time] for time in (0.05, 3.2)]
    errors = estimate(checked, MeanIterate.error).values
    return max(
        tolerance_effect(setting.problem, ONE_EPOCH.batch_size, one) / error
        for one, error in zip(checked, errors, strict=True)
    )


def _runs_needed(measured: Measurements) -> str:
    """Say how many runs would measure the error at mελ = 0.2 to a tenth."""
    one = measured.one_epoch[0.2]
    wanted = _WANTED_PRECISION * float(estimate([one], MeanIterate.error).values[0])
    alone, paired, corrected = (
        runs * (deviation(groups, ONE_EPOCH.group_size) / wanted) ** 2
        for runs, groups in ((1, one.single), (2, one.pairs), (2, one.corrected))
    )
    return (
        f"to average the noise at mελ = 0.2 down to {_WANTED_PRECISION:.0%} of the error takes {alone:.1g} runs alone, "
        f"{paired:.1g} in pairs, {corrected:.1g} in pairs without the noise of the batches' composition"
    )
