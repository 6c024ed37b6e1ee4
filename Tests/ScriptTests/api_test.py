"""Tests of Scripts/api: what a list holds, and what counts as a difference."""

import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "Scripts"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SCRIPTS))
loader = importlib.machinery.SourceFileLoader("api", str(SCRIPTS / "api"))
api = importlib.util.module_from_spec(importlib.util.spec_from_loader("api", loader))
loader.exec_module(api)


def symbol(precise: str, path: list[str], declaration: str) -> dict:
    return {"identifier": {"precise": precise}, "pathComponents": path,
            "declarationFragments": [{"spelling": part} for part in declaration.split("|")]}


def lines(symbols: list[dict], relationships: list[dict]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "M.symbols.json").write_text(
            json.dumps({"symbols": symbols, "relationships": relationships}))
        return api.lines(pathlib.Path(folder))


class ListTests(unittest.TestCase):
    rank = symbol("s:R", ["Rank"], "struct| |Rank")
    step = symbol("s:R.s", ["Rank", "step(_:)"], "func| |step|(|_ x: |Int|)\n throws")

    def test_declarations_are_one_line_each(self) -> None:
        self.assertEqual(
            lines([self.step, self.rank], []),
            ["Rank — struct Rank", "Rank.step(_:) — func step(_ x: Int) throws"])

    def test_conformances_are_lines_too(self) -> None:
        conforms = [
            {"kind": "conformsTo", "source": "s:R", "target": "s:S", "targetFallback": "Swift.Sendable"},
            {"kind": "conformsTo", "source": "s:R", "target": "s:C", "targetFallback": "Swift.Copyable"},
            {"kind": "memberOf", "source": "s:R.s", "target": "s:R"}]
        self.assertEqual(lines([self.rank], conforms), ["Rank : Swift.Sendable", "Rank — struct Rank"])

    def test_a_changed_type_goes_and_comes(self) -> None:
        changed = symbol("s:R.s", ["Rank", "step(_:)"], "func| |step|(|_ x: |UInt|)| throws")
        gone, come = api.differences(lines([self.step], []), lines([changed], []))
        self.assertEqual(gone, ["Rank.step(_:) — func step(_ x: Int) throws"])
        self.assertEqual(come, ["Rank.step(_:) — func step(_ x: UInt) throws"])


class CommandTests(unittest.TestCase):
    def run_api(self, *arguments: str) -> tuple[int, str]:
        result = subprocess.run([sys.executable, str(SCRIPTS / "api"), *arguments], capture_output=True, text=True)
        return result.returncode, result.stdout + result.stderr

    def test_a_build_that_is_missing_is_said(self) -> None:
        code, output = self.run_api("--modules", "/nonexistent")
        self.assertEqual(code, 1)
        self.assertIn("/nonexistent has no module KernelLanguage", output)
        self.assertIn("swift build", output)

    def test_a_commit_that_is_missing_is_said(self) -> None:
        code, output = self.run_api("--since", "no-such-tag")
        self.assertEqual(code, 1)
        self.assertIn("this clone does not have no-such-tag", output)
        self.assertIn("git fetch --unshallow --tags", output)


if __name__ == "__main__":
    unittest.main()
