"""Tests of what Benchmarks/plots.py writes into pages: python3 Tests/ScriptTests/pages_test.py"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRIPT = ROOT / "Benchmarks" / "plots.py"
SURVEY = HERE / "Fixtures" / "simulated-survey.jsonl"
CARD = "simulated-machine-seed-1"


class PagesTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.page = self.folder / "page.md"
        self.results = SURVEY

    def run_script(self, *arguments, code=0):
        command = [
            sys.executable, "-B", SCRIPT, "--results", self.results, "--out", self.folder / "out", "--page", self.page,
            "--simulated", "--tables-only", *arguments]
        result = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stderr

    def filled(self, marker):
        """What the script writes between a marker and the end."""
        before, after = f"# A page\n\nBefore.\n\n{marker}\n", "<!-- end -->\n\nAfter.\n"
        self.page.write_text(before + "Something old.\n" + after)
        self.run_script()
        text = self.page.read_text()
        self.assertTrue(text.startswith(before) and text.endswith(after), text)
        return text[len(before):-len(after)]

    def rows(self, change):
        """Takes the survey's rows, changed."""
        self.results = self.folder / "results.jsonl"
        found = [change(json.loads(line)) for line in SURVEY.read_text().splitlines()]
        self.results.write_text("".join(json.dumps(row) + "\n" for row in found))

    def test_a_table_says_where_it_comes_from(self):
        text = self.filled(f"<!-- table: layer {CARD} -->")
        self.assertTrue(text.startswith("simulated machine, seed 1, 29 November 2026, commit 0123456789ab; layers set a "
                                        "part of the L2 aside.\n\n| experts |"), text)
        self.assertIn("- With 4 experts and up to 128 tokens, the best mode is ", text)

    def test_a_new_default_is_said(self):
        self.rows(lambda row: {**row, "setAside": "driver"} if row.get("setAside") == "layer" else row)
        self.assertIn("; nothing of the L2 is set aside.\n", self.filled(f"<!-- table: layer {CARD} -->"))

    def test_fields_choose_rows(self):
        text = self.filled(f"<!-- table: layer {CARD} experts=2 tokens=2,4 -->")
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        self.assertEqual([line[:8] for line in lines[1:]], ["| --- | ", "| 2 | 2 ", "| 2 | 4 "])

    def test_a_table_that_may_be_missing(self):
        marker = f"<!-- table-if-measured: network {CARD} -->"
        self.assertEqual(self.filled(marker), "", "no rows, nothing said")
        self.assertEqual(self.run_script("--check"), "")
        self.page.write_text(self.page.read_text().replace("<!-- end -->", "Something.\n<!-- end -->"))
        self.assertIn("page.md is not what the results give", self.run_script("--check", code=1))
        self.rows(lambda row: {
            **row, "link": None, "network": "loopback", "networkLink": "50.0 GB/s, 5.0 µs, 0.2 µs a message",
        } if row.get("link", "").startswith("50") else row)
        text = self.filled(marker)
        self.assertIn("\n| ranks | cards | tokens | their time | none | hidden | of what can be | singleBatch |", text)
        self.assertIn("- Of the cards' time `none` hides ", text)
        self.assertIn("- Over cards of 50.0 GB/s, 5.0 µs, 0.2 µs a message the fastest is ", " ".join(text.split()))
        self.page.write_text(f"<!-- table: network {CARD} -->\n<!-- end -->\n")
        self.run_script()
        self.results = SURVEY
        self.assertIn("there are no rows for network of", self.run_script(code=1))

    def test_a_picture_that_may_be_missing(self):
        marker = f"<!-- picture-if-measured: gemm-over-multiprocessors {CARD} -->"
        name = f"out/{CARD}-gemm-over-multiprocessors"
        self.assertEqual(self.filled(marker), "\n".join([
            "<picture>", f'<source media="(prefers-color-scheme: dark)" srcset="{name}-dark.svg">',
            f'<img src="{name}-light.svg" alt="Grouped GEMM, launch behind launch: µs over multiprocessors">',
            "</picture>", ""]))
        for theme in ("dark", "light"):
            self.assertIn(f"page.md shows {name}-{theme}.svg, which is missing", self.run_script("--check", code=1))
            (self.folder / f"{name}-{theme}.svg").touch()
        self.assertEqual(self.run_script("--check"), "")
        self.rows(lambda row: {**row, "gemmMultiprocessors": 132} if row["bench"] == "gemm" else row)
        self.assertEqual(self.filled(marker), "", "no rows, nothing shown")
        self.assertEqual(self.run_script("--check"), "")

    def test_fewer_multiprocessors_in_sentences(self):
        times = {132: 100, 66: 103, 4: 150}

        def measured(row):
            fewer = {"tokens": 32 * row["tokens"] - 32, "medianMicroseconds": times.get(row.get("gemmMultiprocessors"))}
            return {**row, **fewer} if row["bench"] == "gemm" else row

        self.rows(measured)
        text = " ".join(self.filled(f"<!-- table-if-measured: multiprocessors {CARD} -->").split())
        self.assertIn(
            "- 4 experts, 66 of 132 multiprocessors: chained launches change by 3.0 % with up to 32 rows of each and by "
            "3.0 % with more. - 4 experts, 4 of 132 multiprocessors: chained launches change by 50.0 % with", text)

    def test_overlap_that_loses_is_named(self):
        def slower(row):
            usual = row["bench"] == "layer" and row["experts"] == 2 and row["tokens"] == 4
            times = {"none": 100, "singleBatch": 100.9, "direct": 103}
            return {**row, "medianMicroseconds": times[row["what"]]} if usual else row

        self.rows(slower)
        text = " ".join(self.filled(f"<!-- table: layer {CARD} experts=2 tokens=4 -->").split())
        self.assertIn(
            "- Overlap makes one step here longer by more than 1 %: `direct` with 2 experts and 4 tokens, 3.0 % or 3.0 µs.",
            text)
        self.rows(lambda row: {**slower(row), "medianMicroseconds": 100})
        text = " ".join(self.filled(f"<!-- table: layer {CARD} experts=2 tokens=4 -->").split())
        self.assertIn("- Overlap makes no step here longer by more than 1 %.", text)

    def test_ranks_on_gpus_of_their_own(self):
        self.results = self.folder / "results.jsonl"
        plain = next(row for row in map(json.loads, SURVEY.read_text().splitlines())
                     if row["bench"] == "layer" and row["ranks"] == 1 and row["what"] == "direct"
                     and "betweenBytes" not in row and row["routing"] == "even")
        apart = {**plain, "ranks": 2, "devices": 2, "experts": 2 * plain["experts"],
                 "medianMicroseconds": plain["medianMicroseconds"] + 2.5}
        single = {**apart, "what": "singleBatch", "medianMicroseconds": 70}
        split = {**single, "command": f"{single['command']} --communication-sms 12", "medianMicroseconds": 66.5}
        found = [plain, apart, single, split]
        self.results.write_text("".join(json.dumps(row) + "\n" for row in found))
        text = " ".join(self.filled(f"<!-- table: between-gpus {CARD} -->").split())
        where, count = f"On 2 GPUs with {plain['experts']} experts each", plain["tokens"]
        self.assertIn(f"- {where}, `direct` takes longer than on a rank alone by 2.5 µs with {count} tokens.", text)
        self.assertIn(
            f"- {where}, 12 multiprocessors that send change `singleBatch` by -3.5 µs with {count} tokens.", text)
        self.assertNotIn("foretold", text)

    def test_what_modelled_links_foretold(self):
        self.results = self.folder / "results.jsonl"
        survey = [json.loads(line) for line in SURVEY.read_text().splitlines()]
        links = [row for row in survey if row.get("link") and row.get("hiddenShare") is not None]
        rates = {float(row["link"].split()[0]): row["link"] for row in links}
        direct = next(row for row in links if row["link"] == rates[max(rates)] and row["what"] == "direct")
        local = [row for row in survey if row["bench"] in ("dispatch", "combine") and row["ranks"] == 1
                 and row["tokens"] == direct["tokens"]]
        self.assertEqual(sorted(row["bench"] for row in local), ["combine", "dispatch"])
        plain = next(row for row in survey if row["bench"] == "layer" and row["ranks"] == 1 and row["what"] == "direct"
                     and "betweenBytes" not in row and row["routing"] == "even" and row["tokens"] == direct["tokens"]
                     and row["experts"] == local[0]["experts"])
        two = {"ranks": 2, "devices": 2, "experts": 2 * plain["experts"]}
        apart = {**plain, **two, "medianMicroseconds": plain["medianMicroseconds"] + 2.5}
        phases = [{**row, **two, "medianMicroseconds": row["medianMicroseconds"] + 5} for row in local]
        self.results.write_text("".join(json.dumps(row) + "\n" for row in [*survey, plain, apart, *phases]))
        text = " ".join(self.filled(f"<!-- table: between-gpus {CARD} -->").split())
        expected = f"{100 * direct['hiddenShare']:.0f}"
        self.assertIn(f"`direct` hides 75 % ({expected} %); in brackets, what modelled links of {max(rates)} GB/s", text)
        self.assertIn(f"longer than on a rank alone by 10.0 µs with {direct['tokens']} tokens.", text)

    def test_all_tables_and_texts(self):
        for name in ("links", "gemm", "communication", "among-other-work", "set-aside", "skew"):
            self.assertIn("\n| --- |", self.filled(f"<!-- table: {name} {CARD} -->"), name)
        slowest = max(
            (row for row in map(json.loads, SURVEY.read_text().splitlines()) if row.get("link")),
            key=lambda row: row["linkMicroseconds"])
        said = f"2 ranks with links of 50.0 GB/s and {slowest['tokens']} tokens take "
        self.assertIn(said, self.filled(f"<!-- text: slow-link {CARD} -->"))

    def test_a_peer_is_named_in_sentences(self):
        def as_peer(row):
            if row["bench"] == "layer" and row["what"] == "singleBatch" and row["experts"] == 4:
                return {**row, "source": "theirs 1.2", "what": "fused", "floorMicroseconds": 2, "medianMicroseconds": 20}
            return row

        self.rows(as_peer)
        text = self.filled(f"<!-- text: speed {CARD} -->")
        self.assertIn('the fused layer ("Mega MoE") of theirs 1.2', " ".join(text.split()))
        self.assertIn("the peer 10.00 times", " ".join(self.filled(f"<!-- table: layer {CARD} -->").split()))

    def test_check(self):
        self.filled(f"<!-- table: layer {CARD} -->")
        self.assertEqual(self.run_script("--check"), "")
        text = self.page.read_text()
        self.page.write_text(text.replace(" | direct |", " | fast |"))
        self.assertIn("page.md is not what the results give", self.run_script("--check", code=1))
        self.assertIn(" | fast |", self.page.read_text(), "checking writes nothing")
        self.page.write_text(text)
        (self.folder / "out" / "tables.md").write_text("old")
        self.assertIn("tables.md is not what the results give", self.run_script("--check", code=1))

    def test_errors_name_the_place(self):
        bad = {
            "<!-- table: layers x -->\n<!-- end -->": "page.md:2: there are no rows of x; there are of " + CARD,
            f"<!-- table: layers {CARD} -->\n<!-- end -->": "page.md:2: there is no table layers; there are layer, ",
            f"<!-- text: haste {CARD} -->\n<!-- end -->": "page.md:2: there is no text haste; there are speed, ",
            f"<!-- picture-if-measured: rate {CARD} -->\n<!-- end -->": "page.md:2: there is no picture rate; there are ",
            f"<!-- picture-if-measured: layer {CARD} tokens=2 -->\n<!-- end -->": "page.md:2: a picture has all rows",
            "<!-- picture: layer -->\n<!-- end -->": "page.md:2: '<!-- picture: layer -->' is not ",
            f"<!-- table: layer {CARD} experts=3 -->\n<!-- end -->": "page.md:2: there are no rows for layer of ",
            f"<!-- table: layer {CARD} -->\nno end": "page.md:2: there is no <!-- end -->",
            "<!-- table: layer -->\n<!-- end -->": "page.md:2: '<!-- table: layer -->' is not ",
        }
        for text, message in bad.items():
            self.page.write_text(f"# A page\n{text}\n")
            self.assertIn(message, self.run_script(code=1))
            self.assertEqual(self.page.read_text(), f"# A page\n{text}\n")

    def test_sizes_are_not_mixed(self):
        self.rows(lambda row: {**row, "hidden": 512} if row["bench"] == "layer" and row["experts"] == 2 else row)
        self.page.write_text(f"<!-- table: layer {CARD} -->\n<!-- end -->\n")
        self.assertIn("has rows of several sizes; say which: hidden=…", self.run_script(code=1))
        self.filled(f"<!-- table: layer {CARD} hidden=512 -->")

    def test_pages_of_the_repository(self):
        result = subprocess.run([sys.executable, "-B", SCRIPT, "--check"], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
