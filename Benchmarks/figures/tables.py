"""Markdown tables of rows."""

from .rows import OURS, label, layers, order, values
from .series import gemms, linked


def table(header, body):
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in body])


def microseconds(value):
    return "" if value is None else f"{value:.1f}"


def percent(value):
    return "" if value is None else f"{100 * value:.0f} %"


def layer_table(rows):
    """Experts and tokens by floor, modes and peers; the best of ours, and each peer, over the floor."""
    chosen = layers(rows)
    names = sorted({label(row) for row in chosen}, key=order)
    body = []
    for count in reversed(values(chosen, "experts")):
        for tokens in values(chosen, "tokens"):
            own = [row for row in chosen if (row["experts"], row["tokens"]) == (count, tokens)]
            if not own:
                continue
            times = {label(row): row["medianMicroseconds"] for row in own}
            ours = [row for row in own if row["source"] == OURS]
            floor = (ours or own)[0]["floorMicroseconds"]
            best = min((row["medianMicroseconds"] for row in ours), default=None)
            peers = [row["medianMicroseconds"] / floor for row in own if row["source"] != OURS]
            body.append(
                [str(count), str(tokens), microseconds(floor)] + [microseconds(times.get(name)) for name in names]
                + ["" if best is None else f"{best / floor:.3f}", f"{min(peers):.3f}" if peers else ""])
    return table(["experts", "tokens", "floor", *names, "best / floor", "peer / floor"], body) if body else None


def link_table(rows):
    """Links and tokens by mode: the time, and what of the link's is hidden."""
    body = [
        [row["link"], str(row["tokens"]), microseconds(row["linkMicroseconds"]), label(row),
         microseconds(row["withoutLinkMicroseconds"]), microseconds(row["medianMicroseconds"]),
         percent(row["hiddenShare"]), percent(row.get("hiddenShareOfHideable"))]
        for row in sorted(linked(rows), key=lambda row: (row["link"], row["tokens"], order(label(row))))
        if row.get("hiddenShare") is not None
    ]
    header = ["link", "tokens", "its time", "overlap", "without", "with", "hidden", "of what can be"]
    return table(header, body) if body else None


def gemm_table(rows):
    """Shapes, experts and rows by time and time over floor."""
    body = [
        [f"[{row['n']}, {row['k']}]", str(row["experts"]), str(row["tokens"]), row["source"],
         microseconds(row["floorMicroseconds"]), microseconds(row["medianMicroseconds"]),
         f"{row['medianMicroseconds'] / row['floorMicroseconds']:.3f}"]
        for row in sorted(gemms(rows), key=lambda row: (
            row["n"], row["k"], -row["experts"], row["tokens"], row["source"] != OURS, row["source"]))
    ]
    return table(["weights", "experts", "rows of each", "whose", "floor", "time", "/ floor"], body) if body else None


def communication_table(rows):
    """Dispatch, combine and pairs."""
    kinds = ("dispatch", "combine", "dispatch-combine")
    chosen = [row for row in rows if row["bench"] in kinds and row["routing"] == "even" and not row.get("link")]
    body = [
        [row["bench"], str(row["ranks"]), str(row["experts"]), str(row["tokens"]),
         microseconds(row["medianMicroseconds"]), f"{row.get('gigabytesPerSecond', 0):.0f}"]
        for row in sorted(chosen, key=lambda row: (
            kinds.index(row["bench"]), row["ranks"], row["experts"], row["tokens"]))
    ]
    return table(["what", "ranks", "experts", "tokens", "time", "GB/s"], body) if body else None


def among_others_table(rows):
    """Layers with other work between steps, by what is set aside of the L2."""
    chosen = layers(rows, betweenBytes=bool, setAside=bool)
    body = [
        [str(row["experts"]), str(row["tokens"]), label(row), f"{row['betweenBytes'] / 1e6:g} MB",
         row.get("setAside", ""), microseconds(row.get("aloneMicroseconds")), microseconds(row["medianMicroseconds"]),
         microseconds(row.get("betweenMicroseconds"))]
        for row in sorted(chosen, key=lambda row: (
            -row["experts"], row["tokens"], row["betweenBytes"], order(label(row)), row.get("setAside", "")))
    ]
    header = ["experts", "tokens", "", "between", "set aside by", "alone", "among it", "its own time"]
    return table(header, body) if body else None


def skew_table(rows):
    """Layers with a skewed routing beside the even one."""
    chosen = layers(rows, routing=lambda value: value != "even")
    even = {(row["experts"], row["tokens"], label(row)): row for row in layers(rows)}
    body = []
    for row in sorted(chosen, key=lambda row: (-row["experts"], row["tokens"], row["routing"], order(label(row)))):
        beside = even.get((row["experts"], row["tokens"], label(row)))
        body.append([
            str(row["experts"]), str(row["tokens"]), label(row), row["routing"], str(max(row["rowsOfExperts"])),
            microseconds(row["floorMicroseconds"]), microseconds(row["medianMicroseconds"]),
            microseconds(beside and beside["medianMicroseconds"])])
    header = ["experts", "tokens", "", "routing", "most rows", "floor", "time", "even"]
    return table(header, body) if body else None


#: Titles, and what makes the tables.
TABLES = (
    ("A layer on one rank, µs", layer_table), ("With links, µs", link_table), ("Grouped GEMM, µs", gemm_table),
    ("Communication alone, µs", communication_table), ("Among other work, µs", among_others_table),
    ("Skewed routing, µs", skew_table),
)
