"""What tables show, in sentences, so that no number in a page's text is typed."""

from .cells import best, cases, columns, fastest_peer, median
from .other_work import WORK, alone, between, both_choices, by_work, pytorch_choices
from .between_gpus import PHASES, alone as rank_alone, groups
from .rows import OURS, label, layers, order
from .series import OVERLAPPED, communication, gemms, linked, networked, on_multiprocessors

#: Up to as many tokens memory is the limit of 16 experts; from twice as many on power is one too
#: (docs/measurements.md).
FEW_TOKENS = 32
#: What decode has on a rank, seldom more.
MOST_TOKENS = 128
#: Below so many microseconds a share of them says nothing.
LEAST_CROSSING = 5
#: An overlap mode that takes more than so many times as long as `none` is named.
LOSS = 1.01


def span(values, digits=2, unit=""):
    """The range of numbers."""
    # Adding zero makes -0.0 0.0.
    low, high = (f"{round(value, digits) + 0.0:.{digits}f}" for value in (min(values), max(values)))
    return (low if low == high else f"{low} to {high}") + unit


def percents(values):
    return span([100 * value for value in values], 1, " %")


def experts(count):
    return "1 expert" if count == 1 else f"{count} experts"


def by(rows, *names):
    """Rows by the values of fields, largest first."""
    found = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return [(key, found[key]) for key in sorted(found, reverse=True)]


def layer(rows):
    """Times over the floor, of the best of ours and of the peer."""
    said = []
    for (count,), chosen in by(layers(rows), "experts"):
        pairs = [(best(own), fastest_peer(own)) for _, own in cases(chosen, "tokens")]
        both = [(ours, theirs) for ours, theirs in pairs if ours and theirs]
        if both:
            ours = span([median(mine) / mine["floorMicroseconds"] for mine, _ in both])
            theirs = span([median(peer) / peer["floorMicroseconds"] for _, peer in both])
            apart = span([median(peer) / median(mine) for mine, peer in both])
            said.append(
                f"With {experts(count)} and {tokens([mine for mine, _ in both])} tokens, the best mode takes {ours} "
                f"times the floor and the peer {theirs} times: {apart} times as long as ours.")
        else:
            left = [
                median(ours) - ours["floorMicroseconds"] for ours, _ in pairs if ours and ours["tokens"] <= MOST_TOKENS]
            if left:
                said.append(
                    f"With {experts(count)} and up to {MOST_TOKENS} tokens, the best mode is {span(left, 1, ' µs')} "
                    "above the floor.")
    return said + (overlap_loses(rows) if said else [])


def overlap_loses(rows):
    """Where an overlap mode takes over a hundredth longer than `none`."""
    found = []
    for (count, number), own in cases(layers(rows), "experts", "tokens"):
        plain = median(own.get("none"))
        for name in OVERLAPPED:
            time = median(own.get(name))
            if plain and time and time > LOSS * plain:
                found.append(
                    f"`{name}` with {experts(count)} and {number} tokens, {percents([time / plain - 1])} or "
                    f"{time - plain:.1f} µs")
    limit = f"longer by more than {100 * (LOSS - 1):.0f} %"
    if not found:
        return [f"Overlap makes no step here {limit}."]
    return [f"Overlap makes {'one step' if len(found) == 1 else 'some steps'} here {limit}: {'; '.join(found)}."]


def tokens(rows):
    return span([row["tokens"] for row in rows], 0)


def speed(rows):
    """The README's sentence: the layer of the most experts that a peer was measured with."""
    chosen = layers(rows)
    peers = [row for row in chosen if row["source"] != OURS]
    if not peers:
        return []
    count = max(row["experts"] for row in peers)
    of_most = cases([row for row in chosen if row["experts"] == count], "tokens")
    both = [(best(own), fastest_peer(own)) for _, own in of_most]
    both = [(mine, peer) for mine, peer in both if mine and peer]
    last = max(peer["tokens"] for _, peer in both)
    few = [(mine, peer) for mine, peer in both if mine["tokens"] <= FEW_TOKENS] or both
    over_floor = span([median(mine) / mine["floorMicroseconds"] for mine, _ in few])
    apart = span([median(peer) / median(mine) for mine, peer in both])
    return [
        f"With up to {max(mine['tokens'] for mine, _ in few)} tokens a step of {experts(count)} takes {over_floor} "
        "times as long as reading their weights; the peer, the fused layer (\"Mega MoE\") of "
        f"{both[0][1]['source']}, takes {apart} times as long as SwiftEP with up to {last} tokens."]


def slow_link(rows):
    """The step with the longest transfers."""
    chosen = [row for row in linked(rows) if row.get("hiddenShare") is not None]
    if not chosen:
        return []
    slowest = max(chosen, key=lambda row: row["linkMicroseconds"])
    same = [
        row for row in chosen if all(row[name] == slowest[name] for name in ("link", "tokens", "ranks", "experts"))]
    times = {label(row): median(row) for row in same}
    named = [f"{times[name]:.0f} µs with `{name}`" for name in sorted(times, key=order)]
    ranks = slowest["ranks"]
    return [
        f"With a slow link to hide, the modes differ more: {ranks} ranks with links of {slowest['link'].split(',')[0]} "
        f"and {slowest['tokens']} tokens take {listed(named)}."]


def listed(names):
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def links(rows):
    """The share of the links' time that each mode hides, and which is fastest."""
    return modelled(linked(rows), "link", "links")


def network(rows):
    """The same of modelled cards of a network."""
    return modelled(networked(rows), "networkLink", "cards")


def modelled(rows, field, what):
    chosen = [row for row in rows if row.get("hiddenShare") is not None]
    shares = [
        f"`{name}` hides {span([100 * row['hiddenShare'] for row in chosen if label(row) == name], 0, ' %')}"
        for name in columns(chosen)[0]]
    said = [f"Of the {what}' time {listed(shares)}."] if shares else []
    for (link,), own in sorted(by(chosen, field), key=lambda item: -float(item[0][0].split()[0])):
        fastest = {}
        for (count,), found in cases(own, "tokens"):
            fastest.setdefault(label(best(found)), []).append(str(count))
        parts = [f"`{name}` with {listed(counts)}" for name, counts in fastest.items()]
        said.append(f"Over {what} of {link} the fastest is {listed(parts)} tokens.")
    return said


def between_gpus(rows):
    """What steps take longer than on a rank alone, what of dispatch and combine they hide, and what splits change."""
    said = []
    for (devices, ranks, count), own in groups(rows):
        where = f"On {devices} GPUs with {experts(count // ranks)} each"
        longer, phases, splits = {}, {}, {}
        for row in (row for row in own if not row.get("network")):
            split = row.get("communicationMultiprocessors")
            if row["bench"] != "layer":
                phases.setdefault(row["tokens"], {})[row["bench"]] = median(row)
            elif split is not None:
                without = [
                    other for other in own
                    if (other["bench"], label(other), other["tokens"]) == ("layer", label(row), row["tokens"])
                    and not other.get("network") and other.get("communicationMultiprocessors") is None]
                if without:
                    splits.setdefault((label(row), split), {})[row["tokens"]] = median(row) - median(without[0])
            else:
                plain = [other for other in rank_alone(row, rows) if label(other) == label(row)]
                if plain:
                    longer.setdefault(label(row), {})[row["tokens"]] = median(row) - median(plain[0])
        both = {number: sum(own.values()) for number, own in phases.items() if len(own) == 2}
        crossing = {number: both[number] - alone for number, alone in phases_alone(own, rows).items() if number in both}
        if "direct" in longer:
            measured = {number: both[number] for number in longer["direct"] if number in both}
            said.append(
                f"{where}, `direct` takes longer than on a rank alone by {figures(longer['direct'])}"
                + (f"; dispatch and combine by themselves take {figures(measured)}" if measured else "")
                + (f", longer than on a rank alone by {figures(crossing)}." if crossing else "."))
        said += foretold(where, longer, crossing, rows)
        for (name, split), changes in sorted(splits.items()):
            sending = f"{split} multiprocessors that send change" if split else "no multiprocessors set apart change"
            said.append(f"{where}, {sending} `{name}` by {figures(changes)}.")
    return said


def phases_alone(own, rows):
    """What dispatch and combine together take on a rank that has no other, by tokens, for the sizes of `own`."""
    sizes = {(row["experts"] // row["ranks"], row["hidden"], row["topK"]) for row in own}
    found = {}
    for row in communication(rows, PHASES):
        if row["ranks"] == 1 and (row["experts"], row["hidden"], row["topK"]) in sizes:
            found.setdefault(row["tokens"], {})[row["bench"]] = median(row)
    return {number: sum(times.values()) for number, times in found.items() if len(times) == 2}


def foretold(where, longer, crossing, rows):
    """What steps hide of the time that crossing adds to dispatch and combine, beside what modelled links foretold."""
    modelled = [row for row in linked(rows) if row.get("hiddenShare") is not None]
    if not modelled:
        return []
    link = max((row["link"] for row in modelled), key=lambda text: float(text.split()[0]))
    parts = []
    for name in sorted(longer, key=order):
        counts = [
            number for number in longer[name] if LEAST_CROSSING <= crossing.get(number, 0) and number <= MOST_TOKENS]
        shares = [100 * (1 - longer[name][number] / crossing[number]) for number in counts]
        expected = [
            100 * row["hiddenShare"] for row in modelled
            if row["link"] == link and label(row) == name and row["tokens"] in counts]
        if shares and expected:
            parts.append(f"`{name}` hides {span(shares, 0, ' %')} ({span(expected, 0, ' %')})")
    if not parts:
        return []
    return [
        f"{where} and up to {MOST_TOKENS} tokens, of what crossing adds to dispatch and combine by themselves, where "
        f"that is {LEAST_CROSSING} µs or more, {listed(parts)}; in brackets, what modelled links of "
        f"{link.split(',')[0]} between two ranks of one GPU foretold."]


def figures(values):
    """Microseconds by tokens: 1.0, 2.0 and 3.0 µs with 8, 32 and 64 tokens."""
    numbers = sorted(values)
    return f"{listed([f'{values[number]:.1f}' for number in numbers])} µs with {listed(list(map(str, numbers)))} tokens"


def gemm(rows):
    """Chained launches over the floor, and the peer over them."""
    said = []
    for (count,), chosen in by(gemms(rows), "experts"):
        found = {}
        for row in chosen:
            found.setdefault((row["n"], row["tokens"]), {})["peer" if row["source"] != OURS else row["dependent"]] = row
        few = [own[True]["medianMicroseconds"] / own[True]["floorMicroseconds"]
               for (_, number), own in found.items() if True in own and number <= 64]
        peers = [own for own in found.values() if "peer" in own]
        if not few or not peers:
            continue
        text = f"With {experts(count)} and up to 64 rows of each, a chained launch takes {span(few)} times the floor. "
        ratios = [
            f"{span([median(own['peer']) / median(own[kind]) for own in peers if kind in own])} times as long as {what}"
            for kind, what in ((True, "ours chained"), (False, "ours by itself")) if any(kind in own for own in peers)]
        said.append(f"{text}The peer takes {listed(ratios)}.")
    return said


def multiprocessors(rows):
    """How much longer chained launches take on fewer multiprocessors than on all: with few rows of each, and more."""
    changes = {}
    for own in on_multiprocessors(rows):
        for count, row in own.items():
            whole = own.get(row["multiprocessors"])
            if whole and row is not whole:
                group = changes.setdefault((row["experts"], row["multiprocessors"], count), {True: [], False: []})
                group[row["tokens"] <= FEW_TOKENS].append(median(row) / median(whole) - 1)
    said = []
    for (count, every, part), group in sorted(changes.items(), reverse=True):
        ranges = [
            f"by {percents(group[few])} with {some}"
            for some, few in ((f"up to {FEW_TOKENS} rows of each", True), ("more", False)) if group[few]]
        said.append(
            f"{experts(count).capitalize()}, {part} of {every} multiprocessors: chained launches change "
            f"{listed(ranges)}.")
    return said


def longer(row, rows):
    before = alone(row, rows)
    return None if before is None else median(row) / before - 1


def among(rows):
    """How much longer a step takes among other work: up to a few tokens, and with more."""
    said = []
    chosen = layers(rows, betweenBytes=bool, betweenMemoryBytes=lambda value: True)
    for (count, *_), own in sorted(by(chosen, "experts", *WORK), key=lambda item: by_work(item[1][0])):
        parts = []
        for name, ours in (("steps change", True), ("the peer's change", False)):
            ranges = []
            for some, few in ((f"up to {FEW_TOKENS} tokens", True), ("more", False)):
                changes = [
                    longer(row, rows) for row in own
                    if (row["source"] == OURS) == ours and (row["tokens"] <= FEW_TOKENS) == few]
                changes = [change for change in changes if change is not None]
                if changes:
                    ranges.append(f"by {percents(changes)} with {some}")
            if ranges:
                parts.append(f"{name} {listed(ranges)}")
        if parts:
            said.append(f"{experts(count).capitalize()}, {between(own[0])} in between: {'; '.join(parts)}.")
    return said


def set_aside(rows):
    """What a part of the L2 set aside gains steps, costs other work, and costs both together."""
    groups = {}
    for pair in both_choices(rows):
        groups.setdefault((pair[0]["experts"], between(pair[0])), []).append(pair)
    said = []
    for (count, size), pairs in groups.items():
        step = percents([1 - median(having) / median(without) for without, having in pairs])
        work = percents([
            having["betweenMicroseconds"] / without["betweenMicroseconds"] - 1 for without, having in pairs])
        both = percents([
            (median(having) + having["betweenMicroseconds"]) / (median(without) + without["betweenMicroseconds"]) - 1
            for without, having in pairs])
        said.append(
            f"{experts(count).capitalize()}, {size} in between: steps gain {step}, the other work takes {work} longer, "
            f"and both together take {both} longer.")
    return said


def set_aside_pytorch(rows):
    """What a part of the L2 set aside costs steps and PyTorch's work together."""
    groups = {}
    for without, having in pytorch_choices(rows):
        groups.setdefault(without["experts"], []).append(median(having) / median(without) - 1)
    return [
        f"{experts(count).capitalize()}, PyTorch's work in between: both together take {percents(changes)} longer with "
        "a part set aside."
        for count, changes in groups.items()]


def skew(rows):
    """How much longer skewed steps take."""
    skewed = layers(rows, routing=lambda value: value != "even")
    even = {(row["experts"], row["tokens"], label(row)): row for row in layers(rows)}
    found = {}
    for row in skewed:
        plain = even.get((row["experts"], row["tokens"], label(row)))
        if plain:
            found.setdefault(row["tokens"], []).append(median(row) / median(plain) - 1)
    parts = [f"{percents(changes)} with {number} tokens" for number, changes in sorted(found.items())]
    return [f"Against the even routing, a skewed one changes the time by {listed(parts)}."] if parts else []


def account(rows):
    """How long SwiGLU takes behind gate and up where it is a kernel of its own, and when down begins."""
    kernels = [
        row for row in rows
        if row["bench"] == "timeline" and row["activationMicroseconds"] > row["gateAndUpMicroseconds"]]
    if not kernels:
        return []

    def after(name):
        return span([row[name] - row["gateAndUpMicroseconds"] for row in kernels], 1, " µs")

    return [
        f"Where SwiGLU is a kernel of its own, it ends {after('activationMicroseconds')} after the last tile of gate "
        f"and up, and down's first thread block begins {after('downBeginsMicroseconds')} after that tile."]


#: Under the tables of these names.
UNDER = {
    "layer": layer, "links": links, "network": network, "between-gpus": between_gpus, "gemm": gemm,
    "among-other-work": among, "set-aside": set_aside, "set-aside-pytorch": set_aside_pytorch,
    "multiprocessors": multiprocessors, "skew": skew, "account": account,
}
#: By themselves.
TEXTS = {"speed": speed, "slow-link": slow_link}
