"""Rows of results (`Benchmarks/results/README.md`): reading, and choosing."""

import json

SCHEMA = 1
#: What every row has, and of which type.
REQUIRED = {
    "date": str, "card": str, "source": str, "bench": str, "simulated": bool, "medianMicroseconds": (int, float),
}
#: What a row is about. Of rows that are about the same, the latest counts.
SUBJECT = (
    "card", "source", "bench", "what", "tokens", "ranks", "processes", "devices", "experts", "hidden", "intermediate",
    "topK", "sharedExpert", "routing", "onFailure", "link", "setAside", "betweenBytes", "betweenMemoryBytes", "n", "k",
    "swiGLU", "signals", "dependent", "gemmMultiprocessors", "direction", "size", "simulated",
)
OURS = "swiftep"
#: What is measured of a peer that is no whole step.
PARTS = ("megaMoE without quantisation",)


class ResultsError(Exception):
    """A file that holds no results, in a sentence that names the place."""


def load(paths):
    """The rows of files, the latest of each subject, in the order of their subjects. Raises ``ResultsError``."""
    latest = {}
    for path in paths:
        for number, line in enumerate(lines(path), 1):
            if line.strip():
                row = parse(line, f"{path}:{number}")
                key = json.dumps([row.get(name) for name in SUBJECT])
                if key not in latest or latest[key]["date"] <= row["date"]:
                    latest[key] = row
    return [latest[key] for key in sorted(latest)]


def lines(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} cannot be read: {error}") from error


def parse(line, place):
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ResultsError(f"{place}: this is no JSON ({error}); remove the line, or measure again") from error
    if not isinstance(row, dict) or row.get("schema") != SCHEMA:
        found = row.get("schema") if isinstance(row, dict) else None
        raise ResultsError(f"{place}: schema is {found}; only {SCHEMA} is known")
    for name, kind in REQUIRED.items():
        if not isinstance(row.get(name), kind):
            raise ResultsError(f"{place}: {name} is {row.get(name)!r}; see Benchmarks/results/README.md")
    return row


def layers(rows, **fields):
    """Whole steps of layers with nothing unusual, unless `fields` say otherwise."""
    usual = {
        "ranks": 1, "link": None, "betweenBytes": None, "routing": "even", "sharedExpert": False, "setAside": "layer",
        "onFailure": "stop", **fields,
    }
    # Peers know nothing of these.
    ours = ("setAside", "onFailure")
    return [
        row for row in rows
        if row["bench"] == "layer" and row["what"] not in PARTS and all(
            callable(value) and value(row.get(name)) or row.get(name) == value
            or name in ours and row["source"] != OURS
            for name, value in usual.items())
    ]


def label(row):
    """Whose row it is, as legends and columns say it."""
    return row["what"] if row["source"] == OURS else f"{row['source']} {row['what']}"


def order(name):
    """Floors first, then our modes, then peers."""
    known = ("floor", "none", "singleBatch", "twoBatch", "direct")
    return (known.index(name) if name in known else len(known), name)


def values(rows, name):
    """The different values of a field, in order."""
    return sorted({row[name] for row in rows if row.get(name) is not None})
