"""A table of ranks on GPUs of their own: dispatch, combine and layers, whatever is between the GPUs."""

from .cells import Table, median, microseconds
from .rows import OURS, as_default, label, layers, order, values

PHASES = ("dispatch", "combine")


def between_gpus(rows):
    """Rows of ranks that each have a GPU."""
    return as_default([
        row for row in rows
        if row["source"] == OURS and (row.get("devices") or 1) > 1 and row["bench"] in ("layer", *PHASES)
        and row["routing"] == "even" and row["onFailure"] == "stop" and not row["sharedExpert"]
        and not row.get("betweenBytes") and not row.get("link") and not row.get("networkLink")
        # Nobody sends beside a GEMM in `none`, so a split says nothing there.
        and not (row.get("communicationMultiprocessors") is not None and row["what"] == "none")
    ])


def name(row):
    """What a row of the table is about."""
    if row["bench"] in PHASES:
        said = row["bench"]
    else:
        said = f"layer, `{label(row)}`"
    split = row.get("communicationMultiprocessors")
    if split is not None:
        said += f", {split or 'no'} multiprocessors " + ("send" if split else "set apart")
    return said + (f", over {row['network'].split(',')[0]}" if row.get("network") else "")


def place(row):
    """Dispatch, combine, layers by mode; what goes over a network behind all of it."""
    first = PHASES.index(row["bench"]) if row["bench"] in PHASES else len(PHASES)
    return row.get("network") or "", first, order(label(row)), row.get("communicationMultiprocessors") or 0


def alone(row, rows):
    """Layers with as many experts and tokens on a rank that has no other."""
    return [
        other for other in layers(rows)
        if other["source"] == OURS and other["tokens"] == row["tokens"]
        and all(other.get(size) == row.get(size) for size in ("hidden", "intermediate"))
        and other["experts"] * row["ranks"] == row["experts"]
    ]


def groups(rows):
    """Rows of as many GPUs, ranks and experts: these, and the rows."""
    found = {}
    for row in between_gpus(rows):
        found.setdefault((row["devices"], row["ranks"], row["experts"]), []).append(row)
    return sorted(found.items())


def between_gpus_table(rows):
    """A line for each phase and mode, a column for each number of tokens."""
    chosen = between_gpus(rows)
    tokens = values(chosen, "tokens")
    body, shown = [], list(chosen)
    for (devices, ranks, experts), own in groups(rows):
        plain = [row for row in own if row["bench"] == "layer" and not row.get("network")]
        found = {(other["what"], other["tokens"]): other for row in plain for other in alone(row, rows)}
        lines = {}
        for row in plain:
            lines.setdefault("reading the weights", {})[row["tokens"]] = row["floorMicroseconds"]
        for (what, count), other in sorted(found.items(), key=lambda item: order(item[0][0])):
            lines.setdefault(f"one rank alone, `{what}`", {})[count] = median(other)
        for row in sorted(own, key=place):
            lines.setdefault(name(row), {})[row["tokens"]] = median(row)
        shown += found.values()
        head = [str(devices), str(experts // ranks)]
        body += [[*head, line, *(microseconds(times.get(count)) for count in tokens)] for line, times in lines.items()]
    return Table(["GPUs", "experts of a rank", "tokens of each rank", *map(str, tokens)], body, shown)
