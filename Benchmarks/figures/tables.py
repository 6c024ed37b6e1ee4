"""Tables of rows, and the rows that are in them."""

from typing import NamedTuple

from .rows import OURS, label, layers, order, values
from .series import gemms, linked


class Table(NamedTuple):
    header: list
    body: list
    #: The rows that it shows, which have a date and a commit.
    rows: list

    def markdown(self):
        lines = ["| " + " | ".join(self.header) + " |", "|" + " --- |" * len(self.header)]
        return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in self.body])


def microseconds(value):
    return "" if value is None else f"{value:.1f}"


def percent(value, digits=0):
    # Adding zero makes -0.0 0.0.
    return "" if value is None else f"{round(100 * value, digits) + 0.0:.{digits}f} %"


def ratio(value, of):
    return "" if value is None or of is None else f"{value / of:.3f}"


def median(row):
    return row and row["medianMicroseconds"]


def columns(rows):
    """Names of modes and of peers, which tables have columns of."""
    ours = sorted({label(row) for row in rows if row["source"] == OURS}, key=order)
    return ours, sorted({label(row) for row in rows if row["source"] != OURS})


def cases(rows, *names):
    """Rows that agree in `names`, largest number of experts first: the values, and the rows by their labels."""
    found = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), {})[label(row)] = row
    # Names that have experts have them first.
    return sorted(found.items(), key=lambda item: (
        (-item[0][0], *item[0][1:]) if names[0] == "experts" else item[0]))


def best(own):
    """The fastest of our modes."""
    return min((row for row in own.values() if row["source"] == OURS), key=median, default=None)


def fastest_peer(own):
    return min((row for row in own.values() if row["source"] != OURS), key=median, default=None)


def layer_table(rows):
    """Experts and tokens by floor, modes and peers; the best of ours, and the best peer, over the floor."""
    chosen = layers(rows)
    modes, peers = columns(chosen)
    body = []
    for (count, tokens), own in cases(chosen, "experts", "tokens"):
        ours, theirs = best(own), fastest_peer(own)
        floor = (ours or theirs)["floorMicroseconds"]
        cells = [str(count), str(tokens), microseconds(floor)]
        cells += [microseconds(median(own.get(name))) for name in modes + peers]
        cells += [microseconds(ours and median(ours) - floor), ratio(median(ours), floor)]
        if peers:
            # A peer's row has the floor of its own run.
            cells += [
                ratio(median(theirs), theirs and theirs["floorMicroseconds"]), ratio(median(theirs), median(ours))]
        body.append(cells)
    header = ["experts", "tokens", "floor", *modes, *peers, "above floor", "best / floor"]
    return Table(header + (["peer / floor", "peer / best"] if peers else []), body, chosen)


def link_table(rows):
    """Links and tokens: what the link needs, and for each mode the time and what of the link's is hidden."""
    chosen = [row for row in linked(rows) if row.get("hiddenShare") is not None]
    modes, _ = columns(chosen)
    body = []
    for (ranks, link, tokens), own in sorted(
            cases(chosen, "ranks", "link", "tokens"), key=lambda item: (item[0][0], link_rate(item[0][1]), item[0][2])):
        any_row = next(iter(own.values()))
        cells = [str(ranks), link, str(tokens), microseconds(any_row["linkMicroseconds"])]
        for row in (own.get(mode, {}) for mode in modes):
            cells += [microseconds(row.get("medianMicroseconds")), percent(row.get("hiddenShare")),
                      percent(row.get("hiddenShareOfHideable"))]
        body.append(cells)
    header = ["ranks", "link", "tokens", "its time"]
    for mode in modes:
        header += [mode, "hidden", "of what can be"]
    return Table(header, body, chosen)


def link_rate(name):
    """Faster links first."""
    return -float(name.split()[0])


def gemm_table(rows):
    """Shapes, experts and rows: floors, launches by themselves and chained, and peers."""
    chosen = gemms(rows)
    peers = sorted({row["source"] for row in chosen if row["source"] != OURS})
    found = {}
    for row in chosen:
        key = row["n"], row["k"], -row["experts"], row["tokens"]
        found.setdefault(key, {})[row["dependent"] if row["source"] == OURS else row["source"]] = row
    body = []
    for (n, k, count, tokens), own in sorted(found.items()):
        alone, chained = own.get(False), own.get(True)
        row = chained or alone or next(iter(own.values()))
        theirs = min((own[name] for name in peers if name in own), key=median, default=None)
        cells = [f"[{n}, {k}]", str(-count), str(tokens), microseconds(row["floorMicroseconds"]),
                 microseconds(row.get("floorWithOutputMicroseconds")), microseconds(median(alone)),
                 microseconds(median(chained)), ratio(median(chained), row["floorMicroseconds"])]
        cells += [microseconds(median(own.get(name))) for name in peers]
        if peers:
            cells += [ratio(median(theirs), theirs and theirs["floorMicroseconds"]),
                      ratio(median(theirs), median(alone)), ratio(median(theirs), median(chained))]
        body.append(cells)
    header = ["weights", "experts", "rows of each", "floor", "with output", "by itself", "chained", "chained / floor"]
    if peers:
        header += [*peers, "peer / floor", "peer / by itself", "peer / chained"]
    return Table(header, body, chosen)


def communication_table(rows):
    """Dispatch, combine, and one after the other."""
    kinds = ("dispatch", "combine", "dispatch-combine")
    chosen = [row for row in rows if row["bench"] in kinds and row["routing"] == "even" and not row.get("link")]
    found = {}
    for row in chosen:
        found.setdefault((row["ranks"], row["experts"], row["tokens"]), {})[row["bench"]] = row
    body = [
        [*map(str, key), *(microseconds(median(own.get(kind))) for kind in kinds)]
        for key, own in sorted(found.items())]
    return Table(["ranks", "experts", "tokens", "dispatch", "combine", "both"], body, chosen)


def between(row):
    """How much other work there is, and in how much memory where that is less."""
    size, memory = row["betweenBytes"], row.get("betweenMemoryBytes") or row["betweenBytes"]
    return f"{size / 1e6:g} MB" + ("" if memory >= size else f" in {memory / 1e6:g} MB")


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
    found = cases(chosen, "experts", "betweenBytes", "betweenMemoryBytes", "tokens")
    for (count, _, _, tokens), own in sorted(found, key=lambda item: (*(-value for value in item[0][:3]), item[0][3])):
        row = best(own) or next(iter(own.values()))
        cells = [str(count), between(row), str(tokens), microseconds(row["floorMicroseconds"])]
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
        key = (-row["experts"], -row["betweenBytes"], -row["betweenMemoryBytes"], row["tokens"], order(label(row)))
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


def skew_table(rows):
    """Layers with a skewed routing beside the even one."""
    skewed = layers(rows, routing=lambda value: value != "even")
    even = {(row["experts"], row["tokens"], label(row)): row for row in layers(rows)}
    modes, _ = columns(skewed)
    body, shown = [], []
    for (count, routing, tokens), own in cases(skewed, "experts", "routing", "tokens"):
        plain = {name: even.get((count, tokens, name)) for name in modes}
        shown += [row for row in [*own.values(), *plain.values()] if row]
        cells = [str(count), str(tokens), routing]
        for found in (next((row for row in plain.values() if row), None), next(iter(own.values()))):
            cells += [
                str(max(found["rowsOfExperts"])) if found else "", microseconds(found and found["floorMicroseconds"])]
        for name in modes:
            cells += [microseconds(median(plain[name])), microseconds(median(own.get(name)))]
        body.append(cells)
    header = ["experts", "tokens", "routing", "most rows, even", "floor", "most rows, skewed", "floor"]
    for name in modes:
        header += [f"{name}, even", "skewed"]
    return Table(header, body, shown)


def account_table(rows):
    """When the phases of a step end, and what each takes beyond its share of the floor."""
    chosen = [row for row in rows if row["bench"] == "timeline"]
    body = []
    for (count, what, tokens), own in cases(chosen, "experts", "what", "tokens"):
        row = own[what]
        floor = floor_of(rows, row)
        ends = [row[name] for name in (
            "rowsThereMicroseconds", "gateAndUpMicroseconds", "activationMicroseconds", "downMicroseconds",
            "medianMicroseconds")]
        rows_there, up, activation, down, end = ends
        body.append([str(count), str(tokens), *(f"{time:.1f}" for time in (rows_there, up)),
                     microseconds(activation if activation > up else None), *map(microseconds, (down, end)),
                     *map(microseconds, above(row, floor)), microseconds(floor and end - floor)])
    header = ["experts", "tokens", "rows are there", "gate and up end", "SwiGLU's kernel ends", "down ends",
              "combine ends", "above the floor: rows", "gate and up", "SwiGLU", "down", "combine", "all"]
    return Table(header, body, chosen)


def floor_of(rows, row):
    """The floor of the layer that a timeline is of."""
    found = [
        other for other in layers(rows)
        if other["source"] == OURS and (other["experts"], other["tokens"]) == (row["experts"], row["tokens"])
    ]
    return found[0]["floorMicroseconds"] if found else None


def above(row, floor):
    """What phases take beyond reading the weights: two thirds are those of gate and up, one third those of down."""
    if floor is None:
        return [None] * 5
    rows_there, up, activation = (
        row[name] for name in ("rowsThereMicroseconds", "gateAndUpMicroseconds", "activationMicroseconds"))
    return [
        rows_there, up - rows_there - floor * 2 / 3, activation - up, row["downMicroseconds"] - activation - floor / 3,
        row["medianMicroseconds"] - row["downMicroseconds"]]


#: Names on pages, titles, and what makes the tables.
TABLES = (
    ("layer", "A layer on one rank, µs", layer_table), ("links", "With links, µs", link_table),
    ("gemm", "Grouped GEMM, µs", gemm_table), ("communication", "Communication alone, µs", communication_table),
    ("among-other-work", "Among other work, µs", among_others_table),
    ("set-aside", "A part of the L2 set aside, among other work, µs", set_aside_table),
    ("skew", "Skewed routing, µs", skew_table), ("account", "Phases of a step, µs", account_table),
)
