"""Tests of the rows of Benchmarks/set_aside.py, without PyTorch or a GPU: python3 Tests/ScriptTests/set_aside_test.py"""

import json
import pathlib
import sys
import tempfile
import unittest

BENCHMARKS = pathlib.Path(__file__).resolve().parent.parent.parent / "Benchmarks"
sys.path.insert(0, str(BENCHMARKS))
sys.dont_write_bytecode = True

import set_aside
from figures import other_work, pages, rows
from peers.swiftep import Results

PAGE = "<!-- table-if-measured: set-aside-pytorch a-card -->\n<!-- end -->\n"


def results(path):
    """A file of results of a card that is not there."""
    made = Results(None, None, rows.OURS)
    made.path = path
    made.origin = {
        "schema": rows.SCHEMA, "commit": "0123", "card": "a card", "command": "set_aside.py", "source": rows.OURS,
        "simulated": False}
    return made


class SetAsideTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = pathlib.Path(folder.name) / "results.jsonl"

    def add(self, aside, layer, tokens=32):
        """Rows of made-up replays: the layer alone, and each work together with it and alone."""
        found = {"": [layer, layer - 1, layer + 1]}
        for number, name in enumerate(set_aside.WORK):
            together = layer + 100 + number
            found[name] = [together + 2, together, together - 5], [80 + number, 90 + number, 85 + number]
        set_aside.add(results(self.file), tokens, 16, found, aside)

    def test_rows(self):
        self.add(True, 170)
        found = [json.loads(line) for line in self.file.read_text().splitlines()]
        self.assertEqual([row["what"] for row in found], list(set_aside.WORK))
        times = ("minimum", "median", "maximum", "layer", "work")
        self.assertEqual([found[1][f"{name}Microseconds"] for name in times], [266, 271, 273, 170, 86])
        self.assertEqual(
            [found[1][name] for name in ("bench", "setAside", "tokens", "experts", "topK", "weightSets")],
            ["setAside", "layer", 32, 16, 8, 2])

    def test_the_table(self):
        self.add(False, 172)
        self.assertEqual(pages.filled(PAGE, rows.load([self.file]), self.file, self.file.parent), PAGE, "half of it")
        self.add(True, 170)
        self.add(False, 190, tokens=128)
        self.add(True, 192.5, tokens=128)
        found = rows.load([self.file])
        table = other_work.pytorch_table(found)
        self.assertEqual(table.body, [
            ["16", "32", "BF16 product", "172.0", "170.0", "86.0", "86.0", "273.0", "271.0", "-2.0 (-0.7 %)"],
            ["16", "32", "copy of 200 MB", "172.0", "170.0", "85.0", "85.0", "272.0", "270.0", "-2.0 (-0.7 %)"],
            ["16", "128", "BF16 product", "190.0", "192.5", "86.0", "86.0", "291.0", "293.5", "2.5 (0.9 %)"],
            ["16", "128", "copy of 200 MB", "190.0", "192.5", "85.0", "85.0", "290.0", "292.5", "2.5 (0.9 %)"]])
        self.assertEqual(len(table.header), len(table.body[0]))
        text = pages.filled(PAGE, found, self.file, self.file.parent)
        self.assertIn("commit 0123; with and without a part of the L2 set aside.\n\n| experts |", text)
        self.assertIn(
            "- 16 experts, PyTorch's work in between: both together take -0.7 to 0.9 % longer with a part set aside.", text)

    def test_no_file_no_rows(self):
        found = {"": [1], **{name: ([2], [1]) for name in set_aside.WORK}}
        set_aside.add(Results(None, None, rows.OURS), 32, 16, found, False)
        self.assertFalse(self.file.exists())


if __name__ == "__main__":
    unittest.main()
