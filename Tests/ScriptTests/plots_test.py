"""Tests of Benchmarks/plots.py and of results' files, without a GPU: python3 Tests/ScriptTests/plots_test.py

Fixtures/simulated-survey.jsonl is what `Benchmarks/survey swiftep FILE simulator` wrote, on two days. Tests of plots
are skipped without matplotlib, or fail if SWIFTEP_MATPLOTLIB is 1.
"""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRIPT = ROOT / "Benchmarks" / "plots.py"
SURVEY = HERE / "Fixtures" / "simulated-survey.jsonl"
FIGURES = ("layer", "layer-over-tokens", "layer-over-experts", "link-hidden", "gemm-over-floor", "gemm-over-multiprocessors")
FEWER = "Grouped GEMM on fewer multiprocessors, µs"
PEER = "sgl-deep-gemm 0.1.5"

has_matplotlib = importlib.util.find_spec("matplotlib") is not None
needs_matplotlib = unittest.skipUnless(
    has_matplotlib or os.environ.get("SWIFTEP_MATPLOTLIB") == "1", "matplotlib is not installed")


def rows():
    return [json.loads(line) for line in SURVEY.read_text().splitlines()]


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


class PlotsTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_script(self, *arguments, found=None, code=0):
        """Runs it on rows, those of the survey unless others are given; gives what it wrote to standard error."""
        file = SURVEY
        if found is not None:
            file = self.folder / "results.jsonl"
            file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in found))
        command = [sys.executable, "-B", SCRIPT, "--results", file, "--out", self.folder / "out", *arguments]
        result = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stderr

    def tables(self, found=None):
        """The tables by their titles, as lists of rows of cells, the header first."""
        self.run_script("--simulated", "--tables-only", found=found)
        text = (self.folder / "out" / "tables.md").read_text()
        parts = re.split(r"(?m)^### (.*)$", text)[1:]
        return {
            title: [cells(line) for line in part.splitlines() if line.startswith("|") and "---" not in line]
            for title, part in zip(parts[::2], parts[1::2])
        }

    # Tables

    def test_layer_table(self):
        found = [
            row for row in rows() if row["bench"] == "layer" and row["ranks"] == 1 and "betweenBytes" not in row
            and row["routing"] == "even"
        ]
        header, *body = self.tables()["A layer on one rank, µs"]
        self.assertEqual(
            header, ["experts", "tokens", "floor", "none", "singleBatch", "direct", "above floor", "best / floor"])
        sizes = sorted({(-row["experts"], row["tokens"]) for row in found})
        self.assertEqual([(-int(line[0]), int(line[1])) for line in body], sizes)
        for line in body:
            own = {row["what"]: row for row in found if (row["experts"], row["tokens"]) == (int(line[0]), int(line[1]))}
            times = [own[mode]["medianMicroseconds"] for mode in header[3:6]]
            floor = own["none"]["floorMicroseconds"]
            best = min(times)
            expected = [f"{number:.1f}" for number in (floor, *times, best - floor)] + [f"{best / floor:.3f}"]
            self.assertEqual(line[2:], expected)

    def test_a_peer_has_a_column(self):
        ours = next(row for row in rows() if row["bench"] == "layer" and row["what"] == "none")
        theirs = {
            name: value for name, value in ours.items() if name not in ("setAside", "setAsideL2Megabytes", "onFailure")}
        theirs |= {"source": PEER, "what": "megaMoE", "medianMicroseconds": 3 * ours["floorMicroseconds"]}
        header, *body = self.tables([*rows(), theirs])["A layer on one rank, µs"]
        self.assertIn(f"{PEER} megaMoE", header)
        place = [ours["experts"], ours["tokens"]]
        self.assertEqual(header[-2:], ["peer / floor", "peer / best"])
        ratios = {(int(line[0]), int(line[1])): line[-2:] for line in body}
        over_floor, over_ours = ratios.pop(tuple(place))
        self.assertEqual(over_floor, "3.000")
        self.assertGreater(float(over_ours), 0)
        self.assertEqual(list(ratios.values()), [["", ""]] * len(ratios))

    def test_other_tables(self):
        tables = self.tables()
        every = rows()
        links = [row for row in every if "hiddenShare" in row]
        self.assertEqual(len(tables["With links, µs"]) - 1, len({(row["link"], row["tokens"]) for row in links}))
        self.assertEqual(len(tables["Grouped GEMM, µs"]) - 1, sum(
            row["bench"] == "gemm" and row["gemmMultiprocessors"] == row["multiprocessors"] for row in every))
        header, *body = tables["Communication alone, µs"]
        self.assertEqual(header, ["ranks", "experts", "tokens", "dispatch", "combine", "both"])
        self.assertEqual([line[2] for line in body], ["2", "4"])
        self.assertTrue(all(all(line) for line in body))
        header, *body = tables["Skewed routing, µs"]
        self.assertTrue(body and all(all(line) for line in body), "the even routing is beside the skewed one")

    def test_the_latest_counts(self):
        first, *rest = (row for row in rows() if row["bench"] == "layer" and row["ranks"] == 1)
        later = {**first, "date": "2999-01-01T00:00:00Z", "medianMicroseconds": 1234.5}
        for found in ([first, later, *rest], [later, first, *rest]):
            header, *body = self.tables(found)["A layer on one rank, µs"]
            line = next(line for line in body if line[:2] == [str(first["experts"]), str(first["tokens"])])
            self.assertEqual(line[header.index(first["what"])], "1234.5")

    def test_among_other_work(self):
        between = [row for row in rows() if "betweenBytes" in row]
        header, *body = self.tables()["Among other work, µs"]
        self.assertEqual(len(body), len({row["tokens"] for row in between}))
        for line in body:
            row = next(row for row in between if row["setAside"] == "driver" and row["what"] == "direct"
                       and row["tokens"] == int(line[header.index("tokens")]))
            self.assertTrue(line[header.index("direct")].startswith(
                f"{row['aloneMicroseconds']:.1f} → {row['medianMicroseconds']:.1f} ("), line)

    def test_reads_and_copies_are_other_work_of_two_kinds(self):
        between = [row for row in rows() if "betweenBytes" in row]
        reads = [{**row, "betweenWork": "read", "medianMicroseconds": 1234.5} for row in between]
        header, *body = self.tables(between + reads)["Among other work, µs"]
        half = len(body) // 2
        work = header.index("between")
        self.assertTrue(half)
        self.assertEqual([line[work] + " read" for line in body[:half]], [line[work] for line in body[half:]])
        for line in body[half:]:
            self.assertIn("→ 1234.5 (", line[header.index("direct")])

    def test_a_part_of_the_l2_set_aside(self):
        header, *body = self.tables()["A part of the L2 set aside, among other work, µs"]
        found = {(row["tokens"], row["what"], row["setAside"]): row for row in rows() if "betweenBytes" in row}
        self.assertEqual(2 * len(body), len(found))
        for line in body:
            case = int(line[header.index("tokens")]), line[header.index("mode")]
            both = [
                row["medianMicroseconds"] + row["betweenMicroseconds"]
                for row in (found[(*case, "driver")], found[(*case, "layer")])]
            self.assertEqual(line[-1].split()[0], f"{both[1] - both[0]:.1f}")

    def test_layers_as_they_are_by_default(self):
        """Of rows that differ in who sets a part of the L2 aside, the later counts; not what somebody asked for."""
        first, *rest = (
            row for row in rows() if row["bench"] == "layer" and row["ranks"] == 1 and "--skew" not in row["command"])
        self.assertEqual(first["setAside"], "layer")
        later = {**first, "date": "2999-01-01T00:00:00Z"}
        asked = {"command": f"{first['command']} --set-aside layer"}
        cases = [
            ({**first, "setAside": "driver", "medianMicroseconds": 1.25}, "1.2"),
            ({**later, "setAside": "driver", "medianMicroseconds": 2.5}, "2.5"),
            ({**later, "setAside": "none", "medianMicroseconds": 3.5}, f"{first['medianMicroseconds']:.1f}"),
            ({**later, **asked, "medianMicroseconds": 4.5, "what": "other"}, None),
        ]
        for other, shown in cases:
            for found in ([first, other, *rest], [other, first, *rest]):
                header, *body = self.tables(found)["A layer on one rank, µs"]
                self.assertNotIn("other", header)
                line = next(line for line in body if line[:2] == [str(first["experts"]), str(first["tokens"])])
                if shown:
                    self.assertEqual(line[header.index(first["what"])], shown)

    def test_plain_tables_have_plain_rows(self):
        """Newer rows over a network, of ranks on GPUs of their own, or with a split, replace and add nothing."""
        unusual = [
            {"network": "NVSHMEM 3.4.5, engine"}, {"network": "loopback"}, {"devices": 2, "processes": 2},
            {"network": "loopback", "networkLink": "50.0 GB/s, 5.0 µs, 0.2 µs a message"}]
        plain = self.tables()
        for bench in ("dispatch", "combine", "dispatch-combine", "layer"):
            row = next(row for row in rows() if row["bench"] == bench and row["ranks"] == 1)
            splits = [{"command": f"{row['command']} --communication-sms{between}12"} for between in " ="]
            for change in [*unusual, *splits]:
                other = {**row, **change, "date": "2999-01-01T00:00:00Z", "medianMicroseconds": 987.6}
                added = {**other, "tokens": 3}
                for found in ([*rows(), other, added], [added, other, *rows()]):
                    tables = self.tables(found)
                    tables.pop("Ranks on GPUs of their own, µs", None)
                    self.assertEqual(tables, plain, (bench, change))

    def test_links_are_not_mixed_with_networks(self):
        row = next(row for row in rows() if row.get("link") and row["what"] == "direct")
        other = {
            **row, "network": "loopback", "networkLink": row["link"], "date": "2999-01-01T00:00:00Z",
            "medianMicroseconds": 987.6}
        self.assertEqual(self.tables([*rows(), other]), self.tables())

    def networked(self):
        """Rows with links as if they were rows over a modelled network."""
        return [
            {**{name: value for name, value in row.items() if name != "link"}, "network": "loopback",
             "networkLink": f"{row['link']}, 0.2 µs a message"}
            for row in rows() if row.get("link") and row["what"] != "direct"]

    def test_a_modelled_network(self):
        found = self.networked()
        header, *body = self.tables([*rows(), *found])["Over a modelled network, µs"]
        self.assertEqual(header, [
            "ranks", "cards", "tokens", "their time", "none", "hidden", "of what can be", "singleBatch", "hidden",
            "of what can be"])
        self.assertEqual(len(body), len({(row["networkLink"], row["tokens"]) for row in found}))
        for line in body:
            row, = (row for row in found if row["what"] == "singleBatch"
                    and [row["networkLink"], str(row["tokens"])] == line[1:3])
            self.assertEqual(line[3], f"{row['linkMicroseconds']:.1f}")
            self.assertEqual(line[7], f"{row['medianMicroseconds']:.1f}")
        self.assertEqual(self.tables([*rows(), *found])["With links, µs"], self.tables()["With links, µs"])

    def test_ranks_on_gpus_of_their_own(self):
        alone = next(row for row in rows() if row["bench"] == "layer" and row["ranks"] == 1 and row["what"] == "direct"
                     and row["routing"] == "even" and "betweenBytes" not in row)
        two = {**alone, "ranks": 2, "devices": 2, "processes": 2, "experts": 2 * alone["experts"]}
        single = {**two, "what": "singleBatch", "medianMicroseconds": 61}
        dispatch = {**two, "bench": "dispatch", "what": "dispatch", "medianMicroseconds": 5}
        found = [
            {**two, "medianMicroseconds": 50}, single, dispatch,
            {**dispatch, "bench": "combine", "what": "combine", "medianMicroseconds": 7},
            {**single, "command": f"{single['command']} --communication-sms 12", "medianMicroseconds": 60},
            {**single, "command": f"{single['command']} --communication-sms 0", "medianMicroseconds": 64},
            {**two, "what": "none", "command": f"{single['command']} --communication-sms 0", "medianMicroseconds": 70},
            {**single, "network": "NVSHMEM 3.4.5, engine", "medianMicroseconds": 300}]
        header, *body = self.tables([*rows(), *found])["Ranks on GPUs of their own, µs"]
        self.assertEqual(header, ["GPUs", "experts of a rank", "tokens of each rank", str(alone["tokens"])])
        head = ["2", str(alone["experts"])]
        self.assertEqual(body, [[*head, line, f"{time:.1f}"] for line, time in (
            ("reading the weights", alone["floorMicroseconds"]),
            *((f"one rank alone, `{mode}`", self.shown({**alone, "what": mode}))
              for mode in ("none", "singleBatch", "direct")), ("dispatch", 5), ("combine", 7),
            ("layer, `singleBatch`, no multiprocessors set apart", 64), ("layer, `singleBatch`", 61),
            ("layer, `singleBatch`, 12 multiprocessors send", 60),
            ("layer, `direct`", 50), ("layer, `singleBatch`, over NVSHMEM 3.4.5", 300))])

    def shown(self, row):
        """What the table of layers shows of a row."""
        header, *body = self.tables()["A layer on one rank, µs"]
        line = next(line for line in body if line[:2] == [str(row["experts"]), str(row["tokens"])])
        return float(line[header.index(row["what"])])

    def test_gemms_on_the_whole_gpu(self):
        row = next(row for row in rows() if row["bench"] == "gemm")
        fewer = {**row, "date": "2999-01-01T00:00:00Z", "gemmMultiprocessors": 66, "medianMicroseconds": 987.6}
        tables, plain = self.tables([*rows(), fewer]), self.tables()
        self.assertNotEqual(tables.pop(FEWER), plain.pop(FEWER))
        self.assertEqual(tables, plain)

    def test_gemms_on_fewer_multiprocessors(self):
        every = [row for row in rows() if row["bench"] == "gemm"]
        header, *body = self.tables()[FEWER]
        self.assertEqual(header, ["weights", "experts", "rows of each", "floor", "on 4", "on 66", "on 132"])
        found = {
            (f"[{row['n']}, {row['k']}]", str(row["experts"]), str(row["tokens"]), row["gemmMultiprocessors"]): row
            for row in every}
        cases = {key[:3] for key in found if key[3] < 132}
        self.assertEqual({tuple(line[:3]) for line in body}, cases)
        self.assertEqual(len(body), len(cases))
        for line in body:
            own = [found[(*line[:3], count)] for count in (4, 66, 132)]
            self.assertEqual(line[3], f"{own[2]['floorMicroseconds']:.1f}")
            self.assertEqual(line[4:], [f"{row['medianMicroseconds']:.1f}" for row in own])
        # Launches that are not chained, or do something else as well, are no part of it.
        fewer = next(row for row in every if row["gemmMultiprocessors"] == 4)
        for change in ({"dependent": False}, {"swiGLU": True}, {"signals": True}, {"source": PEER}):
            other = {**fewer, **change, "date": "2999-01-01T00:00:00Z", "medianMicroseconds": 987.6, "tokens": 3}
            self.assertEqual(self.tables([*rows(), other])[FEWER], [header, *body], change)
        whole = [row for row in rows() if row["bench"] != "gemm" or row["gemmMultiprocessors"] == 132]
        self.assertNotIn(FEWER, self.tables(whole))

    def without_parts(self):
        """Rows of a GEMM without some of its parts."""
        row = next(row for row in rows() if row["bench"] == "gemm")
        return [
            {**row, "bench": "partsLeftOut", "swiGLU": swiglu, "leftOut": part, "floorMicroseconds": 50,
             "medianMicroseconds": 100 * (1 + swiglu) - number}
            for swiglu in (False, True) for number, part in enumerate(("nothing", "rows"))]

    def test_parts_left_out(self):
        row = next(row for row in rows() if row["bench"] == "gemm")
        shape = f"[{row['n']}, {row['k']}]"
        tables = self.tables([*rows(), *self.without_parts()])
        self.assertEqual(tables.pop("Grouped GEMM with parts left out, µs"), [
            ["left out", shape, f"{shape} with SwiGLU"], ["nothing", "100.0", "200.0"], ["rows", "99.0", "199.0"],
            ["all but loads of weights (the floor)", "50.0", "50.0"]])
        self.assertEqual(tables, self.tables())

    # Errors

    def test_errors_name_the_place(self):
        row = rows()[0]
        bad = [
            ('{"schema":1,', "results.jsonl:2: this is no JSON"),
            ({**row, "schema": 2}, "results.jsonl:2: schema is 2; only 1 is known"),
            ({**row, "medianMicroseconds": "fast"}, "results.jsonl:2: medianMicroseconds is 'fast'"),
            ("[1]", "results.jsonl:2: schema is None"),
        ]
        for line, message in bad:
            self.assertIn(message, self.run_script("--simulated", found=[row, line], code=1))
        self.assertIn("there are no rows in", self.run_script(code=1))

    # Plots

    @needs_matplotlib
    def test_the_same_rows_give_the_same_plots(self):
        self.run_script("--simulated")
        folder = self.folder / "out"
        first = {path.name: path.read_bytes() for path in folder.iterdir()}
        expected = {f"simulated-machine-seed-1-{figure}-{theme}.{kind}" for figure in FIGURES for theme in ("light", "dark")
                    for kind in ("svg", "png")}
        self.assertEqual(set(first), expected | {"tables.md"})
        for path in folder.iterdir():
            path.unlink()
        self.run_script("--simulated", found=reversed(rows()))
        for path in folder.iterdir():
            self.assertEqual(path.read_bytes(), first[path.name], path.name)

    @needs_matplotlib
    def test_plots_show_lines_and_labels(self):
        self.run_script("--simulated")
        text = {"layer": ["4 experts", "floor", "singleBatch", "direct", "µs"],
                "layer-over-tokens": ["4 experts", "2 experts", "floor", "none", "singleBatch", "direct", "µs"],
                "layer-over-experts": ["2 tokens", "4 tokens", "floor", "direct", "experts of the rank"],
                "link-hidden": ["links of 160", "links of 50", "can be hidden", "singleBatch", "%"],
                "gemm-over-floor": ["[512, 256]", "[256, 256]", "4 experts", "2 experts", "time / floor"],
                "gemm-over-multiprocessors": [
                    "[512, 256], 4 experts", "[256, 256], 4 experts", "floor", "2 rows of each", "4 rows of each",
                    "66", "132", "multiprocessors", "µs"]}
        for figure, labels in text.items():
            for theme, background in (("light", "#ffffff"), ("dark", "#0d1117")):
                path = self.folder / "out" / f"simulated-machine-seed-1-{figure}-{theme}.svg"
                root = xml.etree.ElementTree.parse(path).getroot()
                texts = [element for element in root.iter() if element.tag.endswith("}text")]
                shown = "\n".join("".join(element.itertext()) for element in texts)
                for label in labels:
                    self.assertIn(label, shown, f"{path.name}")
                self.assertIn(background, path.read_text())
                self.assertNotIn("dc:date", path.read_text())

    @needs_matplotlib
    def test_bars_have_names_and_values(self):
        self.run_script("--simulated", found=self.without_parts())
        path = self.folder / "out" / "simulated-machine-seed-1-parts-left-out-light.svg"
        root = xml.etree.ElementTree.parse(path).getroot()
        texts = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("}text")]
        self.assertEqual([texts.count(label) for label in ("nothing", "rows", "µs")], [1, 1, 2])
        for label in ("100.0", "99.0", "200.0", "199.0"):
            self.assertIn(label, texts)


if __name__ == "__main__":
    unittest.main()
