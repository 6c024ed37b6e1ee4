"""Tables of steps with other work between them, and of what a part of the L2 set aside does to both."""

from .cells import Table, best, cases, columns, median, microseconds, percent
from .rows import OURS, label, layers, order

#: What tells one kind of other work from another.
WORK = ("betweenWork", "betweenBytes", "betweenMemoryBytes")


def by_work(row):
    """Sorts by experts and work, the most first and copies before reads."""
    return -row["experts"], row["betweenWork"], -row["betweenBytes"], -row["betweenMemoryBytes"]


def between(row):
    """How much other work there is, in how much memory where that is less, and whether it only reads."""
    size, memory = row["betweenBytes"], row.get("betweenMemoryBytes") or row["betweenBytes"]
    within = "" if memory >= size else f" in {memory / 1e6:g} MB"
    return f"{size / 1e6:g} MB{within}" + (" read" if row["betweenWork"] == "read" else "")


def alone(row, rows):
    """The time of the same step with nothing in between; of a peer, what another run of it had."""
    if row.get("aloneMicroseconds") is not None:
        return row["aloneMicroseconds"]
    plain = [
        other for other in layers(rows)
        if (label(other), other["experts"], other["tokens"]) == (label(row), row["experts"], row["tokens"])
    ]
    return median(plain[0]) if plain else None


def among_others_table(rows):
    """Steps with other work between them, beside the same steps alone."""
    chosen = layers(rows, betweenBytes=bool, betweenMemoryBytes=lambda value: True)
    modes, peers = columns(chosen)
    body = []
    found = [(best(own) or next(iter(own.values())), own) for _, own in cases(chosen, "experts", *WORK, "tokens")]
    for row, own in sorted(found, key=lambda item: (*by_work(item[0]), item[0]["tokens"])):
        cells = [str(row["experts"]), between(row), str(row["tokens"]), microseconds(row["floorMicroseconds"])]
        for name in modes + peers:
            here = own.get(name)
            before = here and alone(here, rows)
            cells.append("" if not here else microseconds(median(here)) if before is None else (
                f"{before:.1f} → {median(here):.1f} ({percent(median(here) / before - 1, 1)})"))
        body.append(cells)
    return Table(["experts", "between", "tokens", "floor", *modes, *peers], body, chosen)


def both_choices(rows):
    """Steps among other work that were measured with the driver's choice and with a part of the L2 set aside: pairs."""
    chosen = layers(rows, betweenBytes=bool, betweenMemoryBytes=lambda value: True, setAside=bool)
    found = {}
    for row in (row for row in chosen if row["source"] == OURS and row.get("betweenMicroseconds") is not None):
        key = (*by_work(row), row["tokens"], order(label(row)))
        found.setdefault(key, {})[row["setAside"]] = row
    return [(own["driver"], own["layer"]) for _, own in sorted(found.items()) if {"driver", "layer"} <= set(own)]


def set_aside_table(rows):
    """A step and the other work, without and with a part of the L2 set aside, and what that costs both together."""
    pairs = both_choices(rows)
    body = []
    for without, having in pairs:
        times = [(median(row), row["betweenMicroseconds"]) for row in (without, having)]
        (step, work), (step_aside, work_aside) = times
        longer = step_aside + work_aside - step - work
        body.append([
            str(without["experts"]), between(without), str(without["tokens"]), label(without),
            f"{having['setAsideL2Megabytes']:.1f}", *map(microseconds, (step, step_aside, work, work_aside)),
            microseconds(step + work), microseconds(step_aside + work_aside),
            f"{longer:.1f} ({percent(longer / (step + work), 1)})"])
    header = ["experts", "between", "tokens", "mode", "MB set aside", "step without", "with", "other work without",
              "with", "both without", "with", "with takes longer by"]
    return Table(header, body, [row for pair in pairs for row in pair])


def pytorch_choices(rows):
    """Turns of steps and PyTorch's work, without and with a part of the L2 set aside: pairs."""
    found = {}
    for row in (row for row in rows if row["bench"] == "setAside"):
        found.setdefault((-row["experts"], row["tokens"], row["what"]), {})[row["setAside"]] = row
    return [(own["driver"], own["layer"]) for _, own in sorted(found.items()) if {"driver", "layer"} <= set(own)]


def pytorch_table(rows):
    """The step alone, PyTorch's work alone and both in turn, without and with a part of the L2 set aside."""
    pairs = pytorch_choices(rows)
    body = []
    for pair in pairs:
        without = pair[0]
        together = [median(row) for row in pair]
        longer = together[1] - together[0]
        parts = [[row[name] for row in pair] for name in ("layerMicroseconds", "workMicroseconds")]
        body.append([
            str(without["experts"]), str(without["tokens"]), without["what"],
            *(microseconds(time) for both in (*parts, together) for time in both),
            f"{longer:.1f} ({percent(longer / together[0], 1)})"])
    header = ["experts", "tokens", "work", "step alone without", "with", "work alone without", "with",
              "both without", "with", "with takes longer by"]
    return Table(header, body, [row for pair in pairs for row in pair])
