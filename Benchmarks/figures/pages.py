"""Parts of pages that are made from results, between markers:

    <!-- table: NAME CARD [FIELD=VALUE,… …] -->
    <!-- end -->

A `table` has a line with card, date and commit, the table, and sentences about it; a `text` only sentences. CARD is a
part of file names of plots, such as nvidia-h200. Only rows that have one of the values of each field are taken. Where
there may be none, `table-if-measured` is a table that then is left out; of a `table` that is an error. In the same way
`picture-if-measured: FIGURE CARD` shows the plot of that name where there are rows for it.
"""

import os
import re
import textwrap

from .rows import slug, values
from .sentences import TEXTS, UNDER
from .series import FIGURES
from .tables import TABLES

MARKER = re.compile(r"<!-- (table|table-if-measured|picture-if-measured|text): (\S+) (\S+)((?: \w+=\S+)*) -->$")
#: Files of pictures that a page shows, but not those of other hosts.
SOURCE = re.compile(r'\bsrc(?:set)?="([^":]+)"')
END = "<!-- end -->"
WIDTH = 140
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December")
#: Fields of sizes, of which a table shows one.
SIZES = ("hidden", "intermediate")


class PagesError(Exception):
    """A part that cannot be made, in a sentence that names the place."""


def filled(text, rows, place, plots):
    """The text of the page at `place` with all its parts made anew; plots are in the folder `plots`.

    Raises ``PagesError``, naming the place.
    """
    lines, result, position = text.split("\n"), [], 0
    while position < len(lines):
        line = lines[position]
        result.append(line)
        position += 1
        if not line.startswith(("<!-- table", "<!-- picture", "<!-- text")):
            continue
        where = f"{place}:{position}"
        marker = MARKER.match(line)
        if not marker:
            raise PagesError(f"{where}: {line!r} is not <!-- table: NAME CARD [FIELD=VALUE,…] -->, nor picture or text")
        end = next((number for number in range(position, len(lines)) if lines[number].startswith("<!-- ")), None)
        if end is None or lines[end] != END:
            raise PagesError(f"{where}: there is no {END} before the next marker")
        if made := part(*marker.groups(), rows, where, os.path.relpath(plots, place.parent)):
            result += made.split("\n")
        position = end
    return "\n".join(result)


def part(kind, name, card, fields, rows, where, plots):
    """What stands between two markers."""
    if kind == "picture-if-measured":
        return picture(name, card, fields, rows, where, plots)
    chosen = select(rows, card, fields.split(), where)
    if kind == "text":
        made = TEXTS.get(name)
        if not made:
            raise PagesError(f"{where}: there is no text {name}; there are {', '.join(TEXTS)}")
        said = made(chosen)
        if not said:
            raise PagesError(f"{where}: there are no rows for {name} of {card}")
        return wrapped(" ".join(said))
    make = {known: make for known, _, make in TABLES}.get(name)
    if not make:
        known = ", ".join(known for known, _, _ in TABLES)
        raise PagesError(f"{where}: there is no table {name}; there are {known}")
    table = make(chosen)
    if not table.body and kind == "table-if-measured":
        return ""
    if not table.body:
        raise PagesError(f"{where}: there are no rows for {name} of {card}{fields}")
    for size in SIZES:
        if len(values(table.rows, size)) > 1:
            raise PagesError(f"{where}: {name} of {card} has rows of several sizes; say which: {size}=…")
    made = [wrapped(caption(table.rows) + "."), table.markdown()]
    if name in UNDER and (said := UNDER[name](chosen)):
        made.append("\n".join(wrapped(one, initial_indent="- ", subsequent_indent="  ") for one in said))
    return "\n\n".join(made)


def picture(name, card, fields, rows, where, plots):
    """A plot, light or dark as the reader's screen is; nothing without rows."""
    figure = next((known for known in FIGURES if known.name == name), None)
    if not figure:
        raise PagesError(f"{where}: there is no picture {name}; there are {', '.join(known.name for known in FIGURES)}")
    if fields:
        raise PagesError(f"{where}: a picture has all rows; leave out{fields}")
    if not any(panel["lines"] for panel in figure.panels(select(rows, card, [], where))):
        return ""
    file = f"{plots}/{card}-{name}"
    return "\n".join([
        "<picture>", f'<source media="(prefers-color-scheme: dark)" srcset="{file}-dark.svg">',
        f'<img src="{file}-light.svg" alt="{figure.title}: {figure.y} over {figure.x}">', "</picture>"])


def wrapped(text, **indents):
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False, **indents)


def select(rows, card, fields, where):
    """A card's rows that have one of the values of each field."""
    chosen = [row for row in rows if slug(row["card"]) == card]
    if not chosen:
        known = ", ".join(sorted({slug(row["card"]) for row in rows}))
        raise PagesError(f"{where}: there are no rows of {card}; there are of {known}")
    for field in fields:
        name, _, wanted = field.partition("=")
        chosen = [row for row in chosen if str(row.get(name)) in wanted.split(",")]
    return chosen


def caption(rows):
    """Where rows come from: card, dates, commits, and whether a part of the L2 is set aside."""
    days = sorted({row["date"][:10] for row in rows})
    commits = sorted({row.get("commit") or "unknown" for row in rows})
    dates = day(days[0]) if len(days) == 1 else f"{day(days[0])} to {day(days[-1])}"
    text = f"{rows[0]['card']}, {dates}, commit {', '.join(commits)}"
    aside = {row["setAside"] for row in rows if row.get("setAside")}
    return text + SET_ASIDE.get(frozenset(aside), "")


SET_ASIDE = {
    frozenset({"driver"}): "; nothing of the L2 is set aside",
    frozenset({"layer"}): "; layers set a part of the L2 aside",
    frozenset({"driver", "layer"}): "; with and without a part of the L2 set aside",
}


def day(date):
    """2026-01-31 as 31 January 2026."""
    year, month, number = date.split("-")
    return f"{int(number)} {MONTHS[int(month) - 1]} {year}"
