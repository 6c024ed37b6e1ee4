"""Tables of layers, links, GEMMs and communication, and the list of all tables."""

from .between_gpus import between_gpus_table
from .cells import Table, best, cases, columns, fastest_peer, median, microseconds, percent, ratio
from .left_out import parts_left_out_table
from .other_work import among_others_table, pytorch_table, set_aside_table
from .phases import account_table
from .rows import OURS, label, layers
from .series import communication, gemms, linked, networked, on_multiprocessors


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
    return modelled(linked(rows), "link", "link", "its time")


def network_table(rows):
    """The same for modelled cards of a network."""
    return modelled(networked(rows), "networkLink", "cards", "their time")


def modelled(rows, field, name, time):
    """Links or cards, as `field` has them, and tokens: what they need; each mode's time and what is hidden."""
    chosen = [row for row in rows if row.get("hiddenShare") is not None]
    modes, _ = columns(chosen)
    body = []
    for (ranks, link, tokens), own in sorted(
            cases(chosen, "ranks", field, "tokens"), key=lambda item: (item[0][0], link_rate(item[0][1]), item[0][2])):
        any_row = next(iter(own.values()))
        cells = [str(ranks), link, str(tokens), microseconds(any_row["linkMicroseconds"])]
        for row in (own.get(mode, {}) for mode in modes):
            cells += [microseconds(row.get("medianMicroseconds")), percent(row.get("hiddenShare")),
                      percent(row.get("hiddenShareOfHideable"))]
        body.append(cells)
    header = ["ranks", name, "tokens", time]
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


def multiprocessors_table(rows):
    """Chained GEMMs: shapes, experts and rows by how many multiprocessors they run on."""
    found = on_multiprocessors(rows)
    counts = sorted({count for own in found for count in own})
    body = []
    for own in found:
        # Floors are read on all multiprocessors.
        row = own[max(own)]
        body.append([
            f"[{row['n']}, {row['k']}]", str(row["experts"]), str(row["tokens"]),
            microseconds(row["floorMicroseconds"]), *(microseconds(median(own.get(count))) for count in counts)])
    header = ["weights", "experts", "rows of each", "floor", *(f"on {count}" for count in counts)]
    return Table(header, body, [row for own in found for row in own.values()])


def communication_table(rows):
    """Dispatch, combine, and one after the other."""
    kinds = ("dispatch", "combine", "dispatch-combine")
    chosen = communication(rows, kinds)
    found = {}
    for row in chosen:
        found.setdefault((row["ranks"], row["experts"], row["tokens"]), {})[row["bench"]] = row
    body = [
        [*map(str, key), *(microseconds(median(own.get(kind))) for kind in kinds)]
        for key, own in sorted(found.items())]
    return Table(["ranks", "experts", "tokens", "dispatch", "combine", "both"], body, chosen)


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


#: Names on pages, titles, and what makes the tables.
TABLES = (
    ("layer", "A layer on one rank, µs", layer_table), ("links", "With links, µs", link_table),
    ("network", "Over a modelled network, µs", network_table),
    ("between-gpus", "Ranks on GPUs of their own, µs", between_gpus_table),
    ("gemm", "Grouped GEMM, µs", gemm_table),
    ("multiprocessors", "Grouped GEMM on fewer multiprocessors, µs", multiprocessors_table),
    ("communication", "Communication alone, µs", communication_table),
    ("among-other-work", "Among other work, µs", among_others_table),
    ("set-aside", "A part of the L2 set aside, among other work, µs", set_aside_table),
    ("set-aside-pytorch", "A part of the L2 set aside, among PyTorch's work, µs", pytorch_table),
    ("parts-left-out", "Grouped GEMM with parts left out, µs", parts_left_out_table),
    ("skew", "Skewed routing, µs", skew_table), ("account", "Phases of a step, µs", account_table),
)
