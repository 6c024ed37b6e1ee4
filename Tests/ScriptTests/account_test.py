"""Tests of Benchmarks/account.py: python3 Tests/ScriptTests/account_test.py"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "Benchmarks"))

from figures import phases, rows, sentences  # noqa: E402

SCRIPT = ROOT / "Benchmarks" / "account.py"
#: Names, and when they begin and end: two thread blocks of each GEMM.
STEP = [
    ("dispatch send", 0, 4), ("gate and up", 1, 20.5), ("gate and up", 1, 18), ("gate and up: wait", 1, 5),
    ("gate and up: work", 3, 20), ("down", 14, 31), ("down", 15, 30), ("down: wait", 15, 21), ("down: work", 16, 30),
    ("down: send", 29, 33), ("combine receive", 29, 35)]


def trace(events):
    return json.dumps({"traceEvents": [
        {"ph": "X", "name": name, "ts": begin, "dur": end - begin, "pid": 0, "tid": 0} for name, begin, end in events]})


class AccountTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_script(self, events, *arguments, name="e1-t8.json", code=0):
        path = self.folder / name
        path.write_text(events if isinstance(events, str) else trace(events))
        result = subprocess.run([sys.executable, "-B", SCRIPT, path, *arguments], capture_output=True, text=True)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout if code == 0 else result.stderr

    def row(self, events):
        results = self.folder / "results.jsonl"
        results.unlink(missing_ok=True)
        self.run_script(events, "--results", results, "--card", "a card", "--commit", "0123")
        found = rows.load([results])
        self.assertEqual(len(found), 1)
        self.assertEqual([found[0][name] for name in ("card", "commit", "experts", "tokens")], ["a card", "0123", 1, 8])
        return found[0]

    def test_phases_of_a_step(self):
        row = self.row(STEP)
        ends = ("rowsThere", "gateAndUp", "activation", "downBegins", "down", "median")
        self.assertEqual([row[f"{name}Microseconds"] for name in ends], [5, 20, 20, 16, 30, 35])
        self.assertEqual(phases.above(row, 12), [5, 7, 0, 6, 5])
        self.assertEqual(sum(phases.above(row, 12)), 35 - 12)

    def test_a_swiglu_kernel_beside_the_start_of_down(self):
        for begin in (22, 26):
            step = [
                (name, begin if name == "down: work" else first, end)
                for name, first, end in STEP if name != "down: wait"]
            row = self.row([*step, ("gate and up", 19, 24), ("gate and up", 19, 23)])
            self.assertEqual(row["activationMicroseconds"], 24, "whenever down begins")
            self.assertEqual(row["downBeginsMicroseconds"], begin)
            self.assertEqual(phases.above(row, 12), [5, 7, 4, 2, 5])
            self.assertEqual(sum(phases.above(row, 12)), 35 - 12)

    def test_the_sentence_about_swiglu(self):
        separate = self.row([*STEP, ("gate and up", 19, 24)])
        self.assertEqual(sentences.account([self.row(STEP)]), [])
        self.assertEqual(sentences.account([separate, {**separate, "activationMicroseconds": 26}]), [
            "Where SwiGLU is a kernel of its own, it ends 4.0 to 6.0 µs after the last tile of gate and up, and down's "
            "first thread block begins -4.0 µs after that tile."])

    def test_the_table_has_the_floor_of_the_layer(self):
        floor = {
            "bench": "layer", "source": rows.OURS, "what": "direct", "card": "a card", "date": "2026-01-31", "ranks": 1,
            "experts": 1, "tokens": 8, "routing": "even", "sharedExpert": False, "onFailure": "stop",
            "floorMicroseconds": 12, "medianMicroseconds": 30}
        table = phases.account_table([floor, self.row(STEP)])
        self.assertEqual(
            table.body,
            [["1", "8", "5.0", "20.0", "", "30.0", "35.0", "5.0", "7.0", "0.0", "6.0", "5.0", "23.0"]])
        self.assertEqual(len(table.header), len(table.body[0]))

    def test_it_prints_a_table_with_the_floors_of_the_results(self):
        header, _, line = self.run_script(STEP).splitlines()
        self.assertTrue(header.startswith("| experts | tokens | rows are there |"))
        self.assertTrue(line.startswith("| 1 | 8 | 5.0 | 20.0 |  | 30.0 | 35.0 | 5.0 | "), line)
        self.assertRegex(line, r" \| \d+\.\d \|$")

    def test_errors(self):
        self.assertIn("is not named e<experts>-t<tokens>.json", self.run_script(STEP, name="step.json", code=1))
        self.assertIn("is no trace of swiftep run --timeline", self.run_script("[]", code=1))
        for name in ("gate and up: wait", "down: work", "combine receive"):
            without = [event for event in STEP if event[0] != name]
            self.assertIn(f"has no '{name}'", self.run_script(without, code=1))
        self.assertIn("need --commit", self.run_script(STEP, "--results", self.folder / "r.jsonl", code=2))


if __name__ == "__main__":
    unittest.main()
