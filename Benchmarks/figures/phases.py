"""A table of when the phases of a step end, from timelines."""

from .cells import Table, cases, microseconds
from .rows import OURS, layers


def account_table(rows):
    """When the phases of a step end, and what each takes from the last one's end, beyond its share of the floor."""
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
    """What phases take beyond reading the weights: two thirds are those of gate and up, one third those of down.

    They add up: each lasts from the end of the one before. So down has what it needs once SwiGLU's kernel has ended,
    beside which it may have begun.
    """
    if floor is None:
        return [None] * 5
    rows_there, up, activation = (
        row[name] for name in ("rowsThereMicroseconds", "gateAndUpMicroseconds", "activationMicroseconds"))
    return [
        rows_there, up - rows_there - floor * 2 / 3, activation - up, row["downMicroseconds"] - activation - floor / 3,
        row["medianMicroseconds"] - row["downMicroseconds"]]
