"""§2.2, remarks: batches 0 … m−1, then m−1 … 0: one run follows the flow on C_SGD, up to O(ε³).

The second epoch in reverse does to the sum over pairs of batches what the mean over all orders does: the part
of O(ε²) that depends on the order vanishes. So each single run ends O(ε³) from the flow after time 2mε, and
the spread of the ends over all orders is O(ε³). With two epochs in orders of their own both are O(ε²).
"""

from __future__ import annotations

from torch import Tensor

from sgdlab.analysis.series import FigureSeries
from sgdlab.theory.check import CheckReport
from sgdlab.theory.convergence import ErrorCurve, big_o, convergence_panel
from sgdlab.theory.flows import follow, modified_descent
from sgdlab.theory.orders import forward_then_reverse, two_shuffled_epochs
from sgdlab.theory.problems import Problem, digits_mlp
from sgdlab.theory.updates import descend

LRS = tuple(2.0**k for k in range(-11, -6))
NUM_BATCHES = 4


def run() -> CheckReport:
    """Measure the furthest run and the spread of runs for 4 batches of 15 digits and a tanh MLP."""
    problem = digits_mlp(num_examples=60)
    far, wide = [], []
    for label, orders, order in (
        ("forward, then reverse", forward_then_reverse(NUM_BATCHES), 3),
        ("two shuffled epochs", two_shuffled_epochs(NUM_BATCHES), 2),
    ):
        furthest, spread = zip(*(furthest_and_spread(problem, orders, lr) for lr in LRS), strict=True)
        says = f"{label.capitalize()}: the furthest run ends {big_o(order)} from the flow on C_SGD."
        far.append(ErrorCurve(label, says, order, LRS, furthest))
        says = f"{label.capitalize()}: the standard deviation over orders is {big_o(order)}."
        wide.append(ErrorCurve(label, says, order, LRS, spread))
    notes = (
        "cross-entropy of a tanh MLP 64-4-10 on 60 digits in 4 equal batches, at its initialisation, float64",
        "two epochs in all 4! = 24 orders of the first, or all 4!² = 576 of both; ε as for eq. 18",
    )
    return CheckReport(
        findings=tuple(one.finding for one in (*far, *wide)),
        figure=FigureSeries(
            name="smith2021/forward-reverse",
            title="Forward-then-reverse epochs",
            kind="curves",
            x_label="learning rate ε",
            y_label="distance of the end points",
            y_scale="log",
            panels=(
                convergence_panel("Furthest run from the flow on C_SGD", far),
                convergence_panel("Standard deviation over orders", wide),
            ),
            caption=notes,
        ),
        notes=notes,
    )


def furthest_and_spread(problem: Problem, orders: Tensor, lr: float) -> tuple[float, float]:
    """Return how far the furthest run ends from the flow on C_SGD, and the ends' root mean square spread."""
    batches = problem.batches(NUM_BATCHES)
    ends = descend(problem, batches, orders, lr)
    flowed = follow(modified_descent(problem, batches, lr / 4), problem.start, orders.shape[1] * lr)
    furthest = (ends - flowed).norm(dim=1).max()
    spread = (ends - ends.mean(dim=0)).square().sum(dim=1).mean().sqrt()
    return furthest.item(), spread.item()
