"""Every code of the catalogue on a real workload: the simulated cluster shows it, gatehouse names it and nothing else.

tests/sim/scenarios/causes.yaml holds one workload a cause; what concerns the whole cluster has a file of its own in
tests/sim/scenarios/causes/. cases.py tells how a file says what it expects.
"""
from __future__ import annotations

import concurrent.futures
import json
import unittest

from causes.cases import Case, Run, catalogue
from harness import ROOT, folder

SCENARIOS = ROOT / "tests/sim/scenarios"
AT_ONCE = 4
PATIENCE = 200  # seconds; most have said it after 60


def outcome(case: Case) -> dict:
    """Runs a case: what differs, {} = nothing."""
    with folder("causes") as place:
        run = Run(case, place)
        try:
            return run.wait(PATIENCE)
        finally:
            run.stop()


class Matrix(unittest.TestCase):
    def test_every_code_has_a_scenario_that_shows_it_and_nothing_else(self) -> None:
        codes = catalogue()
        files = [SCENARIOS / "causes.yaml", *sorted((SCENARIOS / "causes").glob("*.yaml"))]
        cases = [Case(path, codes) for path in files]
        self.assertEqual(sorted(codes - set().union(*(c.proves() for c in cases))), [], "codes without a scenario")
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for case, wrong in zip(cases, pool.map(outcome, cases)):
                with self.subTest(case.name):
                    self.assertEqual(wrong, {}, json.dumps(wrong, indent=1))


class Shapes(unittest.TestCase):
    def test_every_kind_of_workload_has_the_right_verdict_with_and_without_rights_in_aws(self) -> None:
        cases = [Case(SCENARIOS / "shapes.yaml", catalogue(), with_aws) for with_aws in (True, False)]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for case, wrong in zip(cases, pool.map(outcome, cases)):
                with self.subTest(case.name):
                    self.assertEqual(wrong, {}, json.dumps(wrong, indent=1))


if __name__ == "__main__":
    unittest.main()
