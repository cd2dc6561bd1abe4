"""What the machine can do: big products, copies, and the batched products that a step can't do without.

A plain step of an MLP is, for each layer, a forward product, a weight gradient, and an input gradient except
at the first layer. The exact gradient of the modified loss is g + (λ/2)·H g, H g by the R-operator: beside
those, the tangent of every product, and a product has two tangents unless one factor (the examples) is fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch

from performance.timing import cpu_s
from performance.work import Work, mlp_widths


@dataclass(frozen=True)
class Product:
    """K products of (rows × inner)·(inner × columns), so many times a step."""

    rows: int
    inner: int
    columns: int
    times: int

    @property
    def flop(self) -> int:
        """Floating-point operations of one run in one step."""
        return 2 * self.rows * self.inner * self.columns * self.times


def products_of(work: Work) -> list[Product]:
    """Return the products of one step of an MLP."""
    batch, penalised = work.batch_size, work.is_penalised
    products = []
    for layer, (inputs, outputs) in enumerate(pairwise(mlp_widths(work))):
        is_first = layer == 0
        times = (2 if is_first else 3) if penalised else 1
        products += [Product(batch, inputs, outputs, times), Product(inputs, batch, outputs, times)]
        if not is_first:
            products.append(Product(batch, outputs, inputs, times))
    return products


def batched_floor_us(work: Work) -> float:
    """Return µs a run that `torch.bmm` takes for a step's products, each in its faster layout."""
    return sum(
        min(_bmm_s(p, work.num_runs, swapped) for swapped in (False, True)) * p.times
        for p in products_of(work)
    ) * (1e6 / work.num_runs)


def sgemm_gflops(size: int = 1024) -> float:
    """Return the rate of one big product, in 10⁹ operations a second."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    out = torch.empty(size, size)
    return 2 * size**3 / _seconds(lambda: torch.mm(a, b, out=out)) / 1e9


def copy_gbytes(num_bytes: int = 2**28) -> float:
    """Return the rate of copying memory that no cache holds, in 10⁹ bytes read and written a second."""
    source = torch.ones(num_bytes // 4)
    target = torch.empty_like(source)
    return 2 * num_bytes / _seconds(lambda: target.copy_(source)) / 1e9


def _bmm_s(product: Product, num_runs: int, swapped: bool) -> float:
    """Return seconds of the K products; `swapped` keeps the right factor as its transpose."""
    left = torch.randn(num_runs, product.rows, product.inner)
    right = torch.randn(num_runs, product.columns, product.inner).transpose(1, 2)
    if not swapped:
        right = right.contiguous()
    out = torch.empty(num_runs, product.rows, product.columns)
    return _seconds(lambda: torch.bmm(left, right, out=out))


def _seconds(call: Callable[[], object], at_least_s: float = 0.01) -> float:
    """Return CPU seconds a call, over as many calls as take `at_least_s`."""
    call()
    count = 1
    while True:
        started = cpu_s()
        for _ in range(count):
            call()
        taken = cpu_s() - started
        if taken >= at_least_s:
            return taken / count
        count = max(2 * count, int(1.2 * count * at_least_s / max(taken, 1e-6)))
