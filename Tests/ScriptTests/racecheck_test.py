"""Tests of Scripts/racecheck, without a GPU: python3 Tests/ScriptTests/racecheck_test.py

Fixtures/racecheck-h200.log has records of a report from an H200, one of each pair of places and kind, with shortened backtraces.
"""

import collections
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRIPT = ROOT / "Scripts" / "racecheck"
REPORT = HERE / "Fixtures" / "racecheck-h200.log"

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("racecheck", str(SCRIPT))
racecheck = importlib.util.module_from_spec(importlib.util.spec_from_loader("racecheck", loader))
loader.exec_module(racecheck)

# Where the kernel of the fixture's first records has which line.
KERNEL = "gemm_n256_k256_e5_r16_m16_t128_dependent_arriving_h256_e8_k2_n2_s1"
LINES = {
    "0x1710": 63, "0x1fd0": 63, "0x2020": 63, "0x33f0": 43, "0x24d0": 139, "0x2500": 140, "0x3400": 146, "0x3450": 146, "0x3570": 147,
}
TEXTS = {
    42: "func run() {", 43: "    store(complete)", 62: "init(_ k: K) {", 63: "  load(complete)", 138: "func claim() {",
    139: "store(numbers)", 140: "store(told)", 145: "var number: Int {", 146: "load(told)", 147: "load(numbers)",
}
KNOWN = """
# a comment
always Write Kernel.swift run: store(complete) <> Read Kernel.swift init: load(complete)
always Write Kernel.swift claim: store(told) <> Read Kernel.swift number: load(told)
sometimes Write Kernel.swift claim: store(numbers) <> Read Kernel.swift number: load(numbers)
"""


def lined(displayed=27, records=None):
    """The fixture's records of KERNEL with the lines that compute-sanitizer adds where code has them."""
    records = records or re.split(r"(?m)^=========\s*$\n", REPORT.read_text())
    text = "========= \n".join(record for record in records if KERNEL in record)
    text = re.sub(re.escape(KERNEL) + r"\+(0x[0-9a-f]+)", lambda m: f"{m[0]} in Kernel.swift:{LINES[m[1]]}", text)
    return text + f"\n========= RACECHECK SUMMARY: {displayed} hazards displayed (27 errors, 0 warnings)\n"


class RacecheckTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        lines = [TEXTS.get(number, "") for number in range(1, 160)]
        (self.folder / "Kernel.swift").write_text("\n".join(lines))

    def compare(self, report, known=KNOWN, **options):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = racecheck.compare(
                [report], racecheck.Sources(self.folder), racecheck.read_known(known), **options)
        return code, output.getvalue()

    def test_reads_hazards_and_races(self):
        hazards, summary = racecheck.read_report(REPORT.read_text())
        self.assertEqual(summary, (2000, 11650))
        kernels = collections.Counter(racecheck.kind(next(iter(pair)).kernel) for pair in hazards)
        self.assertEqual(kernels, {"gemm_dependent_arriving": 10, "gemm_signals_dependent": 2, "gemm_dependent": 1})
        told = frozenset(
            racecheck.Place(access, KERNEL, offset, None, None) for access, offset in [("Write", "0x2500"), ("Read", "0x3450")])
        # Two races of 80 and 76; the single records are of the same hazards.
        self.assertEqual(hazards[told], 156)

    def test_reports_without_lines_or_cut_short_are_no_answer(self):
        done = subprocess.run([SCRIPT, "--read", REPORT], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("incomplete: 2000 of 11650 hazards", done.stdout)
        self.assertIn("without lines: 4 x Read gemm_dependent+0x3190 <> Write gemm_dependent+0x1c40", done.stdout)
        self.assertIn("SWIFTEP_LINES=1", done.stdout)
        code, output = self.compare(lined(displayed=26))
        self.assertEqual((code, "incomplete: 26 of 27" in output), (2, True), output)
        with self.assertRaisesRegex(racecheck.Problem, "no summary"):
            racecheck.read_report("========= COMPUTE-SANITIZER\n")
        with self.assertRaisesRegex(racecheck.Problem, "no room for all hazards"):
            racecheck.read_report("========= Warning: Maximum number of hazards reached. Environment variable X can be used.\n" + lined())
        with self.assertRaisesRegex(racecheck.Problem, "unknown way"):
            racecheck.read_report("========= Error: Race reported between Write access at ?\n")

    def test_known_pairs_pass(self):
        code, output = self.compare(lined())
        self.assertEqual(code, 0, output)
        self.assertIn("27 reported, 3 pairs of lines, 0 of them new; 3 known, 0 of those gone", output)

    def test_new_pairs_fail(self):
        known = KNOWN.replace("store(told)", "store(other)").replace("always Write Kernel.swift claim", "sometimes Write Kernel.swift claim")
        code, output = self.compare(lined(), known)
        self.assertEqual(code, 1, output)
        self.assertIn("new: Write Kernel.swift claim: store(told) <> Read Kernel.swift number: load(told)\n", output)
        self.assertIn("in gemm_dependent_arriving\n", output)

    def test_pairs_that_are_gone_fail_only_if_always_seen(self):
        records = re.split(r"(?m)^=========\s*$\n", REPORT.read_text())
        without_numbers = [record for record in records if "+0x24d0" not in record]
        self.assertEqual(self.compare(lined(records=without_numbers))[0], 0)
        without_told = [record for record in records if "+0x2500" not in record]
        code, output = self.compare(lined(records=without_told))
        self.assertEqual(code, 1, output)
        self.assertIn("gone: Write Kernel.swift claim: store(told) <> Read Kernel.swift number: load(told)\n", output)
        self.assertEqual(self.compare(lined(records=without_told), is_all=False)[0], 0, "other calls see other pairs")

    def test_lines_of_other_sources_are_refused(self):
        (self.folder / "Kernel.swift").write_text("short\n")
        with self.assertRaisesRegex(racecheck.Problem, "nothing at line"):
            self.compare(lined())
        (self.folder / "Kernel.swift").unlink()
        with self.assertRaisesRegex(racecheck.Problem, "0 files Kernel.swift"):
            self.compare(lined())

    def test_known_list_is_checked(self):
        with self.assertRaisesRegex(racecheck.Problem, "line 1 of the known list"):
            racecheck.read_known("often a <> b")
        with self.assertRaisesRegex(racecheck.Problem, "line 2 of the known list"):
            racecheck.read_known("\nalways a")

    def test_tools_that_fail_are_no_answer(self):
        for tool, message in [("/nonexistent/tool", "no compute-sanitizer at /nonexistent/tool"), ("false", "ended with 1")]:
            done = subprocess.run([SCRIPT, "true"], capture_output=True, text=True, env={**os.environ, "COMPUTE_SANITIZER": tool})
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)

    def test_runs_the_tool_on_both_calls(self):
        """A stand-in for compute-sanitizer leaves the fixture's report, and what it was called with in the program's output."""
        tool, report, out = self.folder / "tool", self.folder / "report", self.folder / "out"
        report.write_text(lined())
        (self.folder / "known").write_text(KNOWN)
        out.mkdir()
        tool.write_text(f"""#!/bin/sh
while [ "$1" != --log-file ]; do echo "option $1"; shift; done
cp {report} "$2"; shift 2; echo "lines=$SWIFTEP_LINES"; echo "call $*"
""")
        tool.chmod(0o755)
        done = subprocess.run(
            [SCRIPT, "--known", self.folder / "known", "--sources", self.folder, "program"], capture_output=True, text=True,
            cwd=self.folder, env={**os.environ, "COMPUTE_SANITIZER": str(tool), "OUT": str(out)})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("54 reported, 3 pairs of lines, 0 of them new", done.stdout)
        saved = (out / "racecheck.log").read_text()
        program = os.path.realpath(self.folder / "program")
        for call in racecheck.CALLS:
            self.assertIn(f"call {program} {' '.join(call)}\n", saved)
        self.assertEqual((saved.count("option racecheck\n"), saved.count("lines=1\n")), (2, 2))
        # What a run leaves can be read again.
        again = subprocess.run(
            [SCRIPT, "--known", self.folder / "known", "--sources", self.folder, "--read", out / "racecheck.log"],
            capture_output=True, text=True)
        self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
        self.assertIn("54 reported, 3 pairs of lines, 0 of them new", again.stdout)

    def test_known_list_names_lines_that_there_are(self):
        """Without a GPU nobody sees that a line has changed: then the list has to change, and the argument in the documents with it."""
        sources = racecheck.Sources(ROOT / "Sources")
        known = racecheck.read_known((ROOT / "Scripts" / "racecheck-known.txt").read_text())
        self.assertGreater(len(known), 3)
        for text in {text for pair in known for text in pair}:
            access, file, _ = text.split(" ", 2)
            count = len(sources.lines(file))
            lines = [n for n in range(1, count + 1) if sources.lines(file)[n - 1].strip() and
                     racecheck.key(racecheck.Place(access, "", "", file, n), sources) == text]
            self.assertEqual(len(lines), 1, f"{text} is at lines {lines}")


if __name__ == "__main__":
    unittest.main()
