"""Makes the plots and tables of the documentation from files of results.

    python3 plots.py [--results FILE …] [--out DIR] [--tables-only] [--simulated]

Without files all of Benchmarks/results are taken. DIR (docs/images/benchmarks) then has for each card and plot four
files, light and dark, SVG and PNG, and tables.md. The same rows give the same bytes. Plots need matplotlib, tables
nothing.
"""

import argparse
import pathlib
import re
import sys

from figures import drawing, rows, series, tables

ROOT = pathlib.Path(__file__).resolve().parent


def slug(card):
    """A card's name as a part of a file's."""
    return re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-")


def caption(own):
    """Where rows come from."""
    dates, commits = sorted({row["date"][:10] for row in own}), sorted({row.get("commit") or "unknown" for row in own})
    days = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"{own[0]['card']}, {days}, commit {', '.join(commits)}"


def texts(found):
    """A section for each card, size of model and table."""
    for card in rows.values(found, "card"):
        own = [row for row in found if row["card"] == card]
        yield f"## {card}\n\n{caption(own)}."
        for title, make in tables.TABLES:
            for size, chosen in models(own):
                text = make(chosen)
                if text:
                    yield f"### {title}{size}\n\n{text}"


def models(own):
    """Rows by their model's sizes, which tables and plots do not mix; a name for each where there are several."""
    sizes = sorted({(row["hidden"], row["intermediate"]) for row in own if row["bench"] == "layer"}, reverse=True)
    if len(sizes) < 2:
        return [("", own)]

    def of(row, hidden, intermediate):
        # GEMMs have no such sizes, and communication only one of them.
        return (row.get("hidden", hidden), row.get("intermediate", intermediate)) == (hidden, intermediate)

    return [
        (f", hidden {hidden}, intermediate {intermediate}", [row for row in own if of(row, hidden, intermediate)])
        for hidden, intermediate in sizes
    ]


def plot(found, folder):
    """All figures that there are rows for."""
    for card in rows.values(found, "card"):
        own = [row for row in found if row["card"] == card]
        for number, (size, chosen) in enumerate(models(own)):
            for name, title, x, y, logarithmic, make in series.FIGURES:
                panels = [panel for panel in make(chosen) if panel["lines"]]
                if panels:
                    path = folder / f"{slug(card)}-{name}{f'-{number + 1}' if number else ''}"
                    drawing.draw(path, f"{title}{size}, {card}", x, y, logarithmic, panels)
                    print(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", nargs="+", type=pathlib.Path, metavar="FILE", help="files of results")
    parser.add_argument(
        "--out", type=pathlib.Path, default=ROOT.parent / "docs" / "images" / "benchmarks", metavar="DIR")
    parser.add_argument("--tables-only", action="store_true", help="no plots, and no need of matplotlib")
    parser.add_argument("--simulated", action="store_true", help="rows of the simulator instead of GPUs', for tests")
    arguments = parser.parse_args()
    paths = arguments.results or sorted((ROOT / "results").glob("*.jsonl"))
    try:
        found = [row for row in rows.load(paths) if row["simulated"] == arguments.simulated]
    except rows.ResultsError as error:
        sys.exit(f"plots.py: error: {error}")
    if not found:
        sys.exit("plots.py: error: there are no rows in " + (", ".join(map(str, paths)) or "Benchmarks/results"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "tables.md").write_text(
        "# Results\n\n" + "\n\n".join(texts(found)) + "\n", encoding="utf-8")
    print(arguments.out / "tables.md")
    if arguments.tables_only:
        return
    try:
        plot(found, arguments.out)
    except ImportError as error:
        sys.exit(f"plots.py: error: plots need matplotlib ({error}): pip install matplotlib, or --tables-only")


if __name__ == "__main__":
    main()
