"""Tests of Scripts/docs: snippets as DocC sees them, and that what DocC complains about fails."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import shutil
import sys
import tempfile
import textwrap
import unittest
import unittest.mock

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "Scripts"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SCRIPTS))
loader = importlib.machinery.SourceFileLoader("docs", str(SCRIPTS / "docs"))
docs = importlib.util.module_from_spec(importlib.util.spec_from_loader("docs", loader))
loader.exec_module(docs)


def snippet(text: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "Program.swift")
        path.write_text(textwrap.dedent(text))
        return docs.snippet(path)


class SnippetTests(unittest.TestCase):
    def test_explanation_and_lines(self) -> None:
        symbol = snippet("""\
            //! Adds.
            //! Twice.

            import A

            let x = 1
            """)
        self.assertEqual([line["text"] for line in symbol["docComment"]["lines"]], ["Adds.", "Twice."])
        self.assertEqual(symbol["snippet"]["lines"], ["import A", "", "let x = 1"])
        self.assertEqual(symbol["snippet"]["slices"], {})

    def test_slices_end_at_the_next_or_at_their_end(self) -> None:
        symbol = snippet("""\
            import A
            // snippet.first
            let x = 1
                // snippet.second
                let y = 2
            // snippet.end
            let z = 3
            // snippet.last
            print(z)
            """)
        lines, slices = symbol["snippet"]["lines"], symbol["snippet"]["slices"]
        self.assertEqual(lines, ["import A", "let x = 1", "    let y = 2", "let z = 3", "print(z)"])
        self.assertEqual(slices, {"first": [1, 2], "second": [2, 3], "last": [4, 5]})

    def test_hidden_lines(self) -> None:
        symbol = snippet("""\
            let x = 1
            // snippet.hide
            let secret = 2
            // snippet.show
            let y = 3
            """)
        self.assertEqual(symbol["snippet"]["lines"], ["let x = 1", "let y = 3"])

    def test_all_snippets_of_pages_exist(self) -> None:
        """docc says so as well; this needs no build."""
        pages = (docs.ROOT / "Sources").glob("*/*.docc/*.md")
        used = 0
        for page in pages:
            for name, part in docs.re.findall(
                    r'@Snippet\(path: "SwiftEP/Snippets/(\w+)"(?:, slice: "(\w+)")?\)', page.read_text()):
                path = docs.ROOT / "Snippets" / f"{name}.swift"
                self.assertTrue(path.exists(), f"{page.name}: {name}")
                if part:
                    self.assertIn(part, docs.snippet(path)["snippet"]["slices"], f"{page.name}: {name}")
                used += 1
        self.assertGreater(used, 20)


@unittest.skipUnless(shutil.which("docc"), "docc is not in PATH; it comes with Swift's toolchain")
class ConvertTests(unittest.TestCase):
    """A module of one type, with a page."""

    def convert(self, page: str) -> tuple[bool, str]:
        symbol = {
            "identifier": {"interfaceLanguage": "swift", "precise": "s:1M4RankV"},
            "kind": {"identifier": "swift.struct", "displayName": "Structure"},
            "names": {"title": "Rank"}, "accessLevel": "public", "pathComponents": ["Rank"],
        }
        graph = {
            "metadata": {"formatVersion": {"major": 0, "minor": 6, "patch": 0}, "generator": "test"},
            "module": {"name": "M", "platform": {"architecture": "x86_64", "operatingSystem": {"name": "linux"}}},
            "symbols": [symbol], "relationships": [],
        }
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            catalogue = root / "Sources" / "M" / "M.docc"
            catalogue.mkdir(parents=True)
            (catalogue / "M.md").write_text(page)
            (root / "Snippets").mkdir()
            (root / "Snippets" / "Program.swift").write_text("// snippet.part\nlet x = 1\n")
            (root / "graphs" / "M").mkdir(parents=True)
            (root / "graphs" / "M" / "M.symbols.json").write_text(json.dumps(graph))
            (root / "output").mkdir()
            said = io.StringIO()
            with unittest.mock.patch.object(docs, "ROOT", root), contextlib.redirect_stdout(said):
                docs.write_snippets(root / "graphs")
                passed = docs.convert("M", root / "graphs", root / "output")
            return passed, said.getvalue()

    def test_pages_without_a_fault_pass(self) -> None:
        passed, said = self.convert(
            '# ``M``\n\nWhat it is.\n\n## Overview\n\nA ``Rank``.\n\n'
            '@Snippet(path: "SwiftEP/Snippets/Program", slice: "part")\n')
        self.assertTrue(passed, said)
        self.assertIn("M: no warning", said)

    def test_links_to_nothing_fail(self) -> None:
        for page, name in [("A ``Rang``.", "Rang"), ("See <doc:Nowhere>.", "Nowhere"),
                           ('@Snippet(path: "SwiftEP/Snippets/Nothing")', "Nothing"),
                           ('@Snippet(path: "SwiftEP/Snippets/Program", slice: "other")', "other"),
                           ("![a picture](nothing.svg)", "nothing.svg")]:
            passed, said = self.convert(f"# ``M``\n\nWhat it is.\n\n## Overview\n\n{page}\n")
            self.assertFalse(passed, f"{page}: {said}")
            self.assertIn(name, said)


if __name__ == "__main__":
    unittest.main()
