"""The scaling rule of lssr2022 beside the linear and the square-root one (eq. 12, figure 5 left).

Test accuracy is said to depend on f(b)/η: f = ρ_b (LSSR), b (linear, LSR) or √b (square root, SRSR). For
small b LSSR is the linear rule, ρ_b ≈ b·ρ; for b = n it is 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from sgdlab.analysis.series import FigureSeries, PanelSeries
from sgdlab.diagnostics.noise.sampling import noise_share
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.agreement import exact_finding
from sgdlab.theory.check import CheckReport
from sgdlab.theory.drawing import curve
from sgdlab.theory.lssr2022.batch_moments import concentration

NUM_EXAMPLES = 2**13  # 8k, k = 1024
RHO = 2**-7
BATCH_SIZES = tuple(2**k for k in range(14))

_SATURATES_AT = 0.5  # of its limit 1
_REGIME = 0.1  # a slope this near to 1 is linear, this near to 0 saturated


def run() -> CheckReport:
    """Compute figure 5 left, and the local slopes of ρ_b that make its two regimes."""
    rules = {
        r"LSSR, $\rho_b$": [concentration(RHO, noise_share(b, NUM_EXAMPLES, "without")) for b in BATCH_SIZES],
        "LSR, ρ·b": [RHO * b for b in BATCH_SIZES],
        "SRSR, ρ·√b": [RHO * math.sqrt(b) for b in BATCH_SIZES],
    }
    values = rules[r"LSSR, $\rho_b$"]
    slopes = local_slopes(values)
    half_way = next(b for b, value in zip(BATCH_SIZES, values, strict=True) if value > _SATURATES_AT)
    return CheckReport(
        findings=(
            exact_finding(
                "ρ_b is proportional to b while b is small.",
                slopes[0],
                Expectation(within=(1 - _REGIME, 1 + _REGIME)),
                remark="Slope of log ρ_b between b = 1 and 2.",
            ),
            exact_finding(
                "ρ_b saturates when b is large.",
                slopes[-1],
                Expectation(within=(-_REGIME, _REGIME)),
                remark=f"Slope between b = n/2 and n; ρ_b is above {_SATURATES_AT} from b = {half_way} on.",
            ),
            exact_finding("ρ_n is 1.", values[-1], Expectation(within=(1.0, 1.0))),
        ),
        figure=FigureSeries(
            name="scaling-rules",
            title="Scaling rules",
            kind="curves",
            x_label="batch size b",
            y_label="f(b), where accuracy depends on f(b)/η",
            y_scale="log",
            panels=(
                PanelSeries(
                    "rules",
                    "ρ = 2^{-7}, n = 8k",
                    "log2",
                    tuple(curve(label, BATCH_SIZES, rule) for label, rule in rules.items()),
                    reference=None,
                    y_range=(RHO / 1.5, 4.0),
                ),
            ),
            caption=("Figure 5 left. The linear and the square-root rule are drawn through ρ_1 = ρ.",),
        ),
        notes=("An analytic figure: no data.",),
    )


def local_slopes(values: Sequence[float]) -> list[float]:
    """Return d log f/d log b between neighbouring powers of two, ``(P − 1,)``."""
    return [math.log2(right / left) for left, right in pairwise(values)]
