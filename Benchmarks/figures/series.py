"""What is plotted: panels with a title, and lines by their labels, each a dictionary from x to y."""

from typing import Callable, NamedTuple

from .left_out import parts_left_out
from .rows import BETWEEN_RANKS, OURS, label, layers, on_one_device, values

#: Modes whose communication is hidden inside a batch.
OVERLAPPED = ("singleBatch", "direct")


def panel(title, lines):
    return {"title": title, "lines": {name: line for name, line in lines.items() if line}}


def layer_lines(rows, over):
    """Median microseconds by `over`, a line for the floor and for each mode and peer."""
    lines = {"floor": {row[over]: row["floorMicroseconds"] for row in rows if row["source"] == OURS}}
    for row in rows:
        lines.setdefault(label(row), {})[row[over]] = row["medianMicroseconds"]
    return lines


def layer_over_tokens(rows):
    """A panel for each number of experts of a rank."""
    chosen = layers(rows)
    return [
        panel(experts(count), layer_lines([row for row in chosen if row["experts"] == count], "tokens"))
        for count in reversed(values(chosen, "experts"))
    ]


def layer_of_most_experts(rows):
    """The largest number of experts that a peer was measured with (else the largest), up to where the peer was."""
    chosen = layers(rows)
    peers = [row for row in chosen if row["source"] != OURS]
    count = max(values(peers or chosen, "experts"), default=None)
    tokens = values([row for row in peers or chosen if row["experts"] == count], "tokens")
    own = [
        row for row in chosen
        if row["experts"] == count and row["tokens"] in tokens and (row["source"] != OURS or row["what"] in OVERLAPPED)
    ]
    return [panel(experts(count), layer_lines(own, "tokens"))]


def layer_over_experts(rows):
    """A panel for each number of tokens that was measured with several numbers of experts."""
    chosen = layers(rows)
    panels = []
    for count in values(chosen, "tokens"):
        own = [row for row in chosen if row["tokens"] == count]
        if len(values(own, "experts")) > 1:
            panels.append(panel(f"{count} tokens", layer_lines(own, "experts")))
    return panels


def communication(rows, kinds):
    """Rows of these kinds of communication by itself, with nothing between ranks, which share a GPU."""
    return [
        row for row in rows
        if row["bench"] in kinds and row["routing"] == "even" and on_one_device(row.get("devices"))
        and not any(row.get(name) for name in BETWEEN_RANKS)
    ]


def linked(rows):
    """Steps with modelled links, whatever else is usual of them."""
    return layers(rows, ranks=bool, link=bool, sharedExpert=lambda value: True)


def networked(rows):
    """Steps with modelled cards of a network, by whatever way rows go in the end."""
    return layers(rows, ranks=bool, network=bool, networkLink=bool, sharedExpert=lambda value: True)


def link_hidden(rows):
    """A panel for each link: percent of its time that are hidden, and that can be."""
    chosen = [row for row in linked(rows) if row.get("hiddenShare") is not None]
    panels = []
    for link in values(chosen, "link"):
        lines = {"can be hidden": {}}
        for row in (row for row in chosen if row["link"] == link):
            if row["what"] == "none":
                lines["can be hidden"][row["tokens"]] = 100 * row["hideableMicroseconds"] / row["linkMicroseconds"]
            lines.setdefault(label(row), {})[row["tokens"]] = 100 * row["hiddenShare"]
        panels.append(panel(f"links of {link}", lines))
    return panels


def plain_gemms(rows):
    """Grouped GEMMs that write BF16, on however many multiprocessors."""
    return [row for row in rows if row["bench"] == "gemm" and not row["swiGLU"] and not row["signals"]]


def gemms(rows):
    """Grouped GEMMs on the whole GPU that write BF16: ours and peers'."""
    return [row for row in plain_gemms(rows) if row.get("gemmMultiprocessors") in (None, row.get("multiprocessors"))]


def chained(rows):
    """GEMMs launch behind launch, as layers have them."""
    return [row for row in gemms(rows) if row["source"] != OURS or row["dependent"]]


def gemm_over_floor(rows):
    """A panel for each shape: time over floor by tokens of an expert."""
    chosen = chained(rows)
    panels = []
    for n, k in sorted({(row["n"], row["k"]) for row in chosen}):
        lines = {}
        for row in (row for row in chosen if (row["n"], row["k"]) == (n, k)):
            name = experts(row["experts"]) + ("" if row["source"] == OURS else f", {row['source']}")
            lines.setdefault(name, {})[row["tokens"]] = row["medianMicroseconds"] / row["floorMicroseconds"]
        panels.append(panel(f"[{n}, {k}]", lines))
    return panels


def on_multiprocessors(rows):
    """Our chained GEMMs by shape, experts and tokens, where some ran on fewer multiprocessors than the GPU has.

    Cases, each with its rows by their number of multiprocessors.
    """
    found = {}
    for row in (row for row in plain_gemms(rows) if row["source"] == OURS and row["dependent"]):
        key = row["n"], row["k"], -row["experts"], row["tokens"]
        found.setdefault(key, {})[row["gemmMultiprocessors"]] = row
    return [
        own for _, own in sorted(found.items())
        if any(count < row["multiprocessors"] for count, row in own.items())]


def gemm_over_multiprocessors(rows):
    """A panel for each shape and number of experts, a line for each number of tokens of an expert."""
    panels = {}
    for own in on_multiprocessors(rows):
        for count, row in sorted(own.items()):
            lines = panels.setdefault(f"[{row['n']}, {row['k']}], {experts(row['experts'])}", {})
            lines.setdefault("floor", {})[count] = row["floorMicroseconds"]
            lines.setdefault(f"{row['tokens']} rows of each", {})[count] = row["medianMicroseconds"]
    return [panel(title, lines) for title, lines in panels.items()]


def experts(count):
    return "1 expert" if count == 1 else f"{count} experts"


class Figure(NamedTuple):
    """What a plot shows of the rows."""

    #: A part of the names of its files.
    name: str
    title: str
    x: str
    y: str
    #: Scales of both axes; across also "bars", whose x is down the side.
    across: str
    up: str
    panels: Callable


FIGURES = (
    Figure("layer", "A layer on one rank", "tokens", "µs", "logarithmic", "from zero", layer_of_most_experts),
    Figure(
        "layer-over-tokens", "A layer on one rank", "tokens", "µs", "logarithmic", "logarithmic", layer_over_tokens),
    Figure("layer-over-experts", "A layer on one rank", "experts of the rank", "µs", "logarithmic", "logarithmic",
           layer_over_experts),
    Figure("link-hidden", "Link time that a step hides", "tokens of each rank", "%", "logarithmic", "percent",
           link_hidden),
    Figure("gemm-over-floor", "Grouped GEMM over its floor", "rows of each expert", "time / floor", "logarithmic",
           "fitting", gemm_over_floor),
    Figure("gemm-over-multiprocessors", "Grouped GEMM, launch behind launch", "multiprocessors", "µs", "linear",
           "from zero", gemm_over_multiprocessors),
    Figure("parts-left-out", "Grouped GEMM with parts left out", "what is left out", "µs", "bars", "from zero",
           parts_left_out),
)
