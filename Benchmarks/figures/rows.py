"""Rows of results (`Benchmarks/results/README.md`): reading, and choosing."""

import json
import re

SCHEMA = 1
#: What every row has, and of which type.
REQUIRED = {
    "date": str, "card": str, "source": str, "bench": str, "simulated": bool, "medianMicroseconds": (int, float),
}
#: What a row is about. Of rows that are about the same, the latest counts.
SUBJECT = (
    "card", "source", "bench", "what", "tokens", "ranks", "processes", "devices", "experts", "hidden", "intermediate",
    "topK", "sharedExpert", "routing", "onFailure", "link", "setAside", "betweenWork", "betweenBytes",
    "betweenMemoryBytes", "n", "k", "swiGLU", "signals", "dependent", "gemmMultiprocessors", "direction", "size",
    "simulated", "network", "networkLink", "communicationMultiprocessors", "leftOut",
)
OURS = "swiftep"
#: What no plain row has: a network between ranks, modelled links and cards, and a split that somebody asked for.
BETWEEN_RANKS = ("link", "network", "networkLink", "communicationMultiprocessors")
SPLIT = re.compile(r"--communication-sms[ =](\d+)")
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
    if row.get("betweenBytes"):
        row.setdefault("betweenWork", "copy")
    # Rows have no field of their own for it.
    split = SPLIT.search(str(row.get("command")))
    return {**row, "communicationMultiprocessors": int(split[1])} if split else row


def on_one_device(count):
    """Whether all ranks of a row share a GPU; a peer's row need not say so."""
    return count in (None, 1)


def layers(rows, **fields):
    """Whole steps of layers with nothing unusual, unless `fields` say otherwise."""
    usual = {
        "ranks": 1, "devices": on_one_device, "betweenBytes": None, "routing": "even", "sharedExpert": False,
        "onFailure": "stop", **dict.fromkeys(BETWEEN_RANKS), **fields,
    }
    # Peers know nothing of these.
    ours = ("setAside", "onFailure")
    chosen = [
        row for row in rows
        if row["bench"] == "layer" and row["what"] not in PARTS and all(
            callable(value) and value(row.get(name)) or row.get(name) == value
            or name in ours and row["source"] != OURS
            for name, value in usual.items())
    ]
    return chosen if "setAside" in fields else as_default(chosen)


def as_default(rows):
    """One row of those that differ in who sets a part of the L2 aside: the latest, and of one run the driver's choice.

    That is the default; in earlier states it was a part set aside. What --set-aside asked for is nobody's default.
    """
    subject = [name for name in SUBJECT if name != "setAside"]
    kept = {}
    for row in rows:
        choice = row.get("setAside")
        if choice == "none" or choice == "layer" and "--set-aside" in row.get("command", ""):
            continue
        key = json.dumps([row.get(name) for name in subject])
        if key not in kept or newer(row) > newer(kept[key]):
            kept[key] = row
    return list(kept.values())


def newer(row):
    return row["date"], row.get("setAside") == "driver"


def label(row):
    """Whose row it is, as legends and columns say it."""
    return row["what"] if row["source"] == OURS else f"{row['source']} {row['what']}"


#: In this order in columns and legends, after the floor.
MODES = ("none", "singleBatch", "twoBatch", "direct")


def order(name):
    """Floors first, then our modes, then others: largest numbers first, so that 16 experts are before 8."""
    if name in ("floor", *MODES):
        return ("floor", *MODES).index(name), 0, name
    number = re.match(r"\d+", name)
    return 1 + len(MODES), -int(number.group()) if number else 0, name


def slug(card):
    """A card's name as a part of a file's."""
    return re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-")


def values(rows, name):
    """The different values of a field, in order."""
    return sorted({row[name] for row in rows if row.get(name) is not None})
