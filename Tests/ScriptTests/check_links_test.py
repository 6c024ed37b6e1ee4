"""Tests of Scripts/check-links."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "Scripts" / "check-links"


def check(pages: dict[str, str]) -> tuple[int, str]:
    """Writes pages and checks the first; exit code and output."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in pages.items():
            pathlib.Path(folder, name).parent.mkdir(exist_ok=True)
            pathlib.Path(folder, name).write_text(text)
        result = subprocess.run(
            [sys.executable, str(SCRIPT), str(pathlib.Path(folder, next(iter(pages))))],
            capture_output=True, text=True)
        return result.returncode, result.stdout + result.stderr


class CheckLinksTests(unittest.TestCase):
    def test_links_that_hold(self) -> None:
        code, output = check({
            "a.md": "# A title\n[b](b.md) [there](b.md#of-three-words-2-x) [here](#a-title) [far](https://example.org/x)\n",
            "b.md": "## Of *three* words (2 x)\n"})
        self.assertEqual(code, 0, output)

    def test_files_that_are_missing(self) -> None:
        code, output = check({"a.md": "one\n\n![b](images/b.svg)\n"})
        self.assertEqual(code, 1)
        self.assertIn("a.md:3: images/b.svg: no such file", output)

    def test_files_that_pages_of_a_catalogue_name(self) -> None:
        code, output = check({"A.docc/a.md": "see `docs/glossary.md`\nand `docs/nothing.md`\n"})
        self.assertEqual(code, 1)
        self.assertIn("a.md:2: docs/nothing.md: no such file", output)
        self.assertNotIn("glossary", output)

    def test_headings_that_are_missing(self) -> None:
        code, output = check({"a.md": "[b](b.md#other)\n", "b.md": "# One\n"})
        self.assertEqual(code, 1)
        self.assertIn("a.md:1: b.md#other: no such heading", output)

    def test_the_second_of_two_headings(self) -> None:
        pages = {"a.md": "# One\n# One\n[first](#one) [second](#one-1)\n"}
        self.assertEqual(check(pages)[0], 0)
        self.assertEqual(check({"a.md": pages["a.md"] + "[third](#one-2)\n"})[0], 1)

    def test_code_is_no_link(self) -> None:
        code, output = check({"a.md": "`[x](y.md)`\n```\n[x](y.md)\n# no heading\n```\n"})
        self.assertEqual(code, 0, output)

    def test_comments_of_code_are_no_headings(self) -> None:
        self.assertEqual(check({"a.md": "```\n# no heading\n```\n[x](#no-heading)\n"})[0], 1)

    def test_pages_of_the_repository(self) -> None:
        result = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout)


if __name__ == "__main__":
    unittest.main()
