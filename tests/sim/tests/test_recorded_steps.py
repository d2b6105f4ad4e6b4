"""Every recorded step is compared by a test that names it, or says here why it is not."""
from __future__ import annotations

import inspect
import re
import unittest

import test_recorded
import test_recorded_hands
import test_recorded_rest
from lab import RECORDED

NOT_COMPARED = {
    "75": "answers of the API server, none of the controller's: test_api.py holds the simulator to recordings of the same server "
          "in fixtures/kubernetes; a second version of bindings, Endpoints and validation of pods are not offered",
    "77": "the controller's own metrics: nobody asks the simulator for them",
}
PARTS = {  # of a step that is compared: what of it is not
    "16": "times between pods, which are the recording's own stages",
    "34": "the order of the two gates, which is the order of the webhook's cache",
    "36": "a second pass that wrote the checkpoint one second younger, with nothing changed",
    "38": "which of the pods made within 20 ms are opened and which never: it is chance; both outcomes must occur",
    "39": "the moment, and the reads in between, of the end of throttling: the simulated lock is held for all ten tries",
    "71": "Ready False for 0.1 s between two states of the gate: the recording's kubelet writes by what it saw 0.1 s before, "
          "the simulated one by what is there",
    "55": "how many events: the request id in the text of the simulator is always the same",
    "66": "the tries of a throttled call one by one: the simulator counts them as one that takes as long",
    "68": "the same",
}


class Steps(unittest.TestCase):
    def test_each_step_has_a_test_or_a_reason(self) -> None:
        steps = {p.name.split("-")[0] for p in RECORDED.glob("[0-9][0-9]-*")}
        self.assertGreater(len(steps), 60)
        named: set[str] = set()
        for case in (test_recorded.Recorded, test_recorded_hands.Hands, test_recorded_rest.Rest):
            for name, method in inspect.getmembers(case, inspect.isfunction):
                if name.startswith("test_"):  # its name, or its code as "36" or "36: …", says which steps it is about
                    named.update(re.findall(r"(?<!\d)(\d\d)(?!\d)", name), re.findall(r'"(\d\d)[":]', inspect.getsource(method)))
        self.assertEqual([], sorted(steps - named - set(NOT_COMPARED)), "neither compared nor explained")
        self.assertEqual([], sorted(named & set(NOT_COMPARED)), "explained although compared")
        self.assertEqual([], sorted(set(PARTS) - named), "a part of nothing")


if __name__ == "__main__":
    unittest.main()
