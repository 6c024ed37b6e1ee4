"""Makes the plots, tables and sentences of the documentation from files of results.

    python3 plots.py [--check] [--results FILE …] [--out DIR] [--page FILE …] [--tables-only] [--simulated]

Without files all of Benchmarks/results are taken. DIR (docs/images/benchmarks) then has for each card and plot four
files, light and dark, SVG and PNG, and tables.md with all tables. In each page (README.md, docs/performance.md,
docs/measurements.md and docs/network.md, none by itself where files are given) what stands between markers is made anew
(figures/pages.py). With --check nothing is written: it fails where a table or a page is not what the rows give. The same
rows give the same bytes. Plots need matplotlib, the rest nothing.
"""

import argparse
import pathlib
import sys

from figures import drawing, pages, rows, series, tables

ROOT = pathlib.Path(__file__).resolve().parent
PAGES = [
    ROOT.parent / "README.md",
    *(ROOT.parent / "docs" / name for name in ("performance.md", "measurements.md", "network.md"))]


def texts(found):
    """A section for each card, size of model and table."""
    for card in rows.values(found, "card"):
        own = [row for row in found if row["card"] == card]
        yield f"## {card}\n\n{pages.caption(own)}."
        for _, title, make in tables.TABLES:
            for size, chosen in models(own):
                table = make(chosen)
                if table.body:
                    yield f"### {title}{size}\n\n{table.markdown()}"


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
            for figure in series.FIGURES:
                panels = [panel for panel in figure.panels(chosen) if panel["lines"]]
                if panels:
                    path = folder / f"{rows.slug(card)}-{figure.name}{f'-{number + 1}' if number else ''}"
                    drawing.draw(path, f"{figure.title}{size}, {card}", figure, panels)
                    print(path)


def written(path):
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        sys.exit(f"plots.py: error: {path} cannot be read: {error}")


def check(made):
    """Fails if a file is not what the rows give, or shows a picture that there is none of."""
    wrong = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    missing = [
        (path, name) for path, text in made.items() for name in pages.SOURCE.findall(text)
        if not (path.parent / name).exists()]
    for path in wrong:
        print(f"{path} is not what the results give", file=sys.stderr)
    for path, name in missing:
        print(f"{path} shows {name}, which is missing", file=sys.stderr)
    if wrong or missing:
        sys.exit("plots.py: error: run python3 Benchmarks/plots.py")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", nargs="+", type=pathlib.Path, metavar="FILE", help="files of results")
    parser.add_argument(
        "--out", type=pathlib.Path, default=ROOT.parent / "docs" / "images" / "benchmarks", metavar="DIR")
    parser.add_argument("--page", nargs="+", type=pathlib.Path, metavar="FILE", help="pages with parts made of results")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where tables or pages differ")
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
    made = {arguments.out / "tables.md": "# Results\n\n" + "\n\n".join(texts(found)) + "\n"}
    try:
        for page in arguments.page or ([] if arguments.results else PAGES):
            made[page] = pages.filled(written(page), found, page, arguments.out)
    except pages.PagesError as error:
        sys.exit(f"plots.py: error: {error}")
    if arguments.check:
        return check(made)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
        print(path)
    if arguments.tables_only:
        return
    try:
        plot(found, arguments.out)
    except ImportError as error:
        sys.exit(f"plots.py: error: plots need matplotlib ({error}): pip install matplotlib, or --tables-only")


if __name__ == "__main__":
    main()
