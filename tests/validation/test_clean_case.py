"""In the clean case power, type I error, bias and coverage are known: within 4 combined Monte Carlo SE at
20,000 replicates."""

from __future__ import annotations

import pytest

from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import characteristics
from kaptrial.results import Row
from tests.builders import ancova_power, clean, t_test_power

REPLICATES = 20_000


def metrics(n: int, delta: float, replicates: int, seed: int = 20) -> dict[tuple[str, str], tuple[float, float]]:
    cell = Cell(scenario=clean(n_per_arm=n, delta=delta), columns={})
    (result,) = characteristics([cell], seed=seed, replicates=replicates)
    return {(row["analysis"], row["metric"]): (row["value"], row["mcse"]) for row in map(Row.flat, result.rows)}


def check(n: int, delta: float, replicates: int) -> None:
    by_metric = metrics(n, delta, replicates)
    for method, exact in (("ancova", ancova_power(delta, n)), ("difference", t_test_power(delta, n))):
        power, mcse = by_metric[method, "power"]
        assert abs(power - exact) < 4 * mcse, (method, power, exact, mcse)
        for metric, value in (("type_i_error", 0.05), ("coverage", 0.95), ("bias", 0.0)):
            got, mcse = by_metric[method, metric]
            assert abs(got - value) < 4 * mcse, (method, metric, got, mcse)
        truth, mcse = by_metric[method, "truth"]
        # Every patient improves by delta exactly: what is left is rounding.
        assert truth == pytest.approx(-delta, abs=1e-9)
        model, empirical = by_metric[method, "model_se"], by_metric[method, "empirical_se"]
        assert abs(model[0] - empirical[0]) < 4 * (model[1] ** 2 + empirical[1] ** 2) ** 0.5


@pytest.mark.parametrize(("n", "delta"), [(20, 6.0), (60, 3.5)])
def test_clean_case(n, delta):
    check(n, delta, 4_000)


@pytest.mark.validation
@pytest.mark.parametrize(("n", "delta"), [(8, 9.0), (12, 8.0), (20, 6.0), (40, 3.0), (40, 5.0), (80, 3.5), (160, 2.0)])
def test_clean_case_20000(n, delta):
    check(n, delta, REPLICATES)
