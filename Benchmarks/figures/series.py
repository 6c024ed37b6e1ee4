"""What is plotted: panels with a title, and lines by their labels, each a dictionary from x to y."""

from .rows import OURS, label, layers, values


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


def gemms(rows):
    """Grouped GEMMs on the whole GPU that write BF16: ours and peers'."""
    return [
        row for row in rows
        if row["bench"] == "gemm" and not row["swiGLU"] and not row["signals"]
        and row.get("gemmMultiprocessors") in (None, row.get("multiprocessors"))
    ]


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


def experts(count):
    return "1 expert" if count == 1 else f"{count} experts"


#: Name, title, axes, the scale of y, and what makes the panels.
FIGURES = (
    ("layer", "A layer on one rank", "tokens", "µs", "from zero", layer_of_most_experts),
    ("layer-over-tokens", "A layer on one rank", "tokens", "µs", "logarithmic", layer_over_tokens),
    ("layer-over-experts", "A layer on one rank", "experts of the rank", "µs", "logarithmic", layer_over_experts),
    ("link-hidden", "Link time that a step hides", "tokens of each rank", "%", "percent", link_hidden),
    ("gemm-over-floor", "Grouped GEMM over its floor", "rows of each expert", "time / floor", "fitting",
     gemm_over_floor),
)
