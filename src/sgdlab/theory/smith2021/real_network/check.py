"""How far the modified flow holds on a real network as ε grows (smith2021, eq. 14–22).

A tanh MLP that has begun to learn 256 digits is trained for one epoch, and for several, from one point, over
thousands of random shuffles, each with its reverse. The mean iterate is held against the flows on C and on
E C_SGD over the same time nmε. What counts is mε times the Hessian's largest eigenvalue λ at the start: the
derivation leaves out terms in its powers, so it speaks of mελ well below 1. How far it holds beyond that is
measured.
"""

from __future__ import annotations

from collections.abc import Iterator

from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.group_statistics import deviation
from sgdlab.theory.smith2021.real_network.estimated import crossing, estimate, order_in_lr, value_at
from sgdlab.theory.smith2021.real_network.figure import real_network_figure
from sgdlab.theory.smith2021.real_network.mean_iterate import (
    RELATIVE_TOLERANCE,
    MeanIterate,
    tolerance_effect,
)
from sgdlab.theory.smith2021.real_network.measurements import (
    EIGHT_EPOCHS,
    FIXED_TIME,
    FOUR_EPOCHS,
    ONE_EPOCH,
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
    """What is left unexplained as ε grows: little while mελ is small by eq. 18, which is silent beyond."""
    one, several = measured.one_epoch, measured.four_epochs
    left, most = MeanIterate.unexplained, Expectation(below=0.5)
    for time in (0.2, 0.8, 3.2):
        says = f"At mελ = {time:g} the modified flow leaves less than half of gradient flow's error"
        yield value_at(f"{says} after one epoch.", one[time], left, most)
        yield value_at(f"{says} after 4 epochs.", several[time], left, most)
    for level in (0.25, 0.5):
        says = f"More than {level:.0%} of gradient flow's error is left only where mελ is above 1"
        yield crossing(f"{says}, after one epoch.", one, left, level, Expectation(above=1))
        yield crossing(f"{says}, after 4 epochs.", several, left, level, Expectation(above=1))
    edge = 2.0 * setting.num_batches(ONE_EPOCH)
    yield value_at(
        "At ε = 2/λ, where gradient descent becomes unstable, the modified flow is still the closer one.",
        one[edge],
        left,
        Expectation(below=1),
        f"mελ = {edge:g}.",
    )
    few, many = setting.num_batches(ONE_EPOCH), setting.num_batches(SMALL_BATCHES)
    yield value_at(
        f"What is left depends on mε alone: ratio of m = {many} to m = {few}, at mελ = 0.8.",
        measured.small_batches[0.8],
        lambda small, kept: left(small, kept) / left(one[0.8], kept),
        Expectation(within=(0.5, 2)),
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
    few, many = setting.num_batches(ONE_EPOCH), setting.num_batches(SMALL_BATCHES)
    return (
        f"cross-entropy of a tanh MLP {widths}, {len(setting.problem.start):,} parameters, on {NUM_EXAMPLES} "
        f"digits, float64; all runs start where {NUM_WARM_UP_UPDATES} updates of gradient descent at "
        f"ε = {WARM_UP_LR:g} lead: cost {setting.cost:.2f}, λ = {setting.top_eigenvalue:.2f}",
        f"m = {few} batches of {ONE_EPOCH.batch_size}, or m = {many} of {SMALL_BATCHES.batch_size}",
        _precision(measured),
        _runs_needed(measured),
        "distances are without the noise's own share; error bars are standard errors, by the jackknife over "
        f"{ONE_EPOCH.num_groups} groups of shuffles; the fixed time is {FIXED_TIME:g}/λ",
        _tolerance(setting, measured),
    )


def _precision(measured: Measurements) -> str:
    """Say how many pairs there are, and that their noise is below the errors."""
    parts = (
        ("1 epoch", ONE_EPOCH, list(measured.one_epoch.values())),
        ("4 epochs", FOUR_EPOCHS, list(measured.four_epochs.values())),
        ("8 epochs", EIGHT_EPOCHS, [measured.fixed_time[FIXED_TIME / 8]]),
        ("1 epoch of small batches", SMALL_BATCHES, list(measured.small_batches.values())),
    )
    described = []
    for what, shuffles, iterates in parts:
        errors = estimate(iterates, MeanIterate.error)
        worst = max(errors.standard_errors / errors.values)
        described.append(f"{what} {shuffles.num_pairs:,}, {worst:.0%}")
    return (
        "shuffles, each with its reverse, at every ε, and the largest standard error of an error, as a share "
        f"of it: {'; '.join(described)}"
    )


def _runs_needed(measured: Measurements) -> str:
    """Say what pairs save, by the runs that would bring the noise down to a tenth of the error."""
    one = measured.one_epoch[0.2]
    wanted = _WANTED_PRECISION * float(estimate([one], MeanIterate.error).values[0])
    alone, paired, corrected = (
        runs * (deviation(groups, ONE_EPOCH.group_size) / wanted) ** 2
        for runs, groups in ((1, one.single), (2, one.pairs), (2, one.corrected))
    )
    return (
        f"to average all noise at mελ = 0.2 down to {_WANTED_PRECISION:.0%} of the error takes {alone:.1g} "
        f"runs alone, {paired:.1g} in pairs, {corrected:.1g} in pairs without the noise of the batches' "
        "composition; of all that only the part along the error blurs the distance"
    )


def _tolerance(setting: Setting, measured: Measurements) -> str:
    """Say what halving the tolerance does where the error is smallest, and where much of it is left."""
    checked = (SMALL_TIMES[0], 3.2)
    iterates = [measured.one_epoch[time] for time in checked]
    errors = estimate(iterates, MeanIterate.error).values
    effects = [tolerance_effect(setting.problem, ONE_EPOCH.batch_size, one) for one in iterates]
    return (
        f"flows to a relative tolerance of {RELATIVE_TOLERANCE:g}: halving it moves the ends at mελ = "
        f"{checked[0]:g} and {checked[1]:g} by {max(effects / errors):.0e} of the error at most"
    )
