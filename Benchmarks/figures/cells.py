"""What tables are made of: rows that belong together, and numbers as text."""

from typing import NamedTuple

from .rows import OURS, label, order


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
