"""A table and a plot of grouped GEMMs some of whose parts are left out, which shows what bounds them."""

from .cells import Table, median, microseconds

#: What is left out, the least first.
PARTS = (
    "nothing", "stores", "rows", "most products", "most additions", "stores and rows",
    "stores, most products and additions", "stores, rows, most products and additions")


def cases(rows):
    """For each shape its name and its rows by what is left out; down before gate and up, SwiGLU last."""
    found = {}
    for row in (row for row in rows if row["bench"] == "partsLeftOut"):
        name = f"[{row['n']}, {row['k']}]" + (" with SwiGLU" if row["swiGLU"] else "")
        found.setdefault((row["swiGLU"], -row["n"], name), {})[row["leftOut"]] = row
    return [(name, own) for (_, _, name), own in sorted(found.items())]


def parts_left_out_table(rows):
    """Time without each part, a column for each shape."""
    found = cases(rows)
    floors = ["all but loads of weights (the floor)", *(
        microseconds(next(iter(own.values()))["floorMicroseconds"]) for _, own in found)]
    body = [
        [part, *(microseconds(median(own.get(part))) for _, own in found)]
        for part in PARTS if any(part in own for _, own in found)]
    return Table(
        ["left out", *(name for name, _ in found)], [*body, floors] if body else [],
        [row for _, own in found for row in own.values()])


def parts_left_out(rows):
    """A panel for each shape: bars of what is left out, and the floor."""
    return [
        {
            "title": name, "floor": next(iter(own.values()))["floorMicroseconds"],
            "lines": {part: median(own[part]) for part in PARTS if part in own},
        }
        for name, own in cases(rows)]
