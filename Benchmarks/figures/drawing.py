"""Draws panels with matplotlib, in a light and a dark theme, always the same bytes for the same rows."""

import math

from .rows import MODES, order

#: Background, text, grid, and colours of lines that people with colour-blindness tell apart.
THEMES = {
    "light": ("#ffffff", "#1f2328", "#d1d9e0", (
        "#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#9a6700", "#57606a", "#0f766e")),
    "dark": ("#0d1117", "#e6edf3", "#30363d", (
        "#58a6ff", "#f0883e", "#3fb950", "#bc8cff", "#f778ba", "#d29922", "#9198a1", "#39c5cf")),
}
MARKERS = "osD^vPX*"
#: Lines that are no measurements of anybody, and are dashed.
BOUNDS = ("floor", "can be hidden")
MOST_COLUMNS = 3
#: Inches; a title needs them where there is one panel only.
LEAST_WIDTH = 6.4


def draw(path, title, described, panels):
    """Writes `path`-light.svg, -dark.svg, -light.png and -dark.png, with the axes that `described` says."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = sorted({name for panel in panels for name in panel["lines"]}, key=order)
    for theme, (background, text, grid, colours) in THEMES.items():
        settings = {
            "font.family": "DejaVu Sans", "font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "swiftep",
            "figure.facecolor": background, "axes.facecolor": background, "savefig.facecolor": background,
            "text.color": text, "axes.labelcolor": text, "axes.edgecolor": grid, "axes.titlecolor": text,
            "xtick.color": text, "ytick.color": text, "grid.color": grid, "legend.facecolor": background,
            "legend.edgecolor": grid, "axes.spines.top": False, "axes.spines.right": False,
        }
        with matplotlib.rc_context(settings):
            columns = min(MOST_COLUMNS, len(panels))
            rows = math.ceil(len(panels) / columns)
            figure, axes = pyplot.subplots(
                rows, columns, figsize=(max(LEAST_WIDTH, 1 + 3.2 * columns), 1.1 + 2.6 * rows), squeeze=False,
                layout="constrained")
            places = [place for line in axes for place in line]
            for place in places[len(panels):]:
                place.set_visible(False)
            handles = {}
            for place, panel in zip(places, panels):
                if described.across == "bars":
                    bars(place, panel, described, names=place is places[0], colour=colours[0], text=text)
                else:
                    axis(place, panel, described, names, colours, text, handles)
            figure.suptitle(title)
            if handles:
                figure.legend(
                    [handles[name] for name in names], names, loc="outside lower center",
                    ncols=legend_columns(names, figure.get_figwidth()), frameon=False)
            figure.savefig(f"{path}-{theme}.svg", metadata={"Date": None, "Creator": None})
            figure.savefig(f"{path}-{theme}.png", dpi=160, metadata={"Software": None})
            pyplot.close(figure)


def legend_columns(names, width):
    """As many as fit into `width` inches."""
    entry = 0.6 + 0.075 * max(len(name) for name in names)
    return max(1, min(len(names), int(width / entry)))


def look(name, measured):
    """The number of a line's colour and marker. A mode has the same in all figures."""
    if name in MODES:
        return MODES.index(name)
    others = [other for other in measured if other not in MODES]
    return others.index(name) + (len(MODES) if len(others) < len(measured) else 0)


def axis(place, panel, described, names, colours, text, handles):
    """One panel. A line looks the same in all of them."""
    measured = [name for name in names if name not in BOUNDS]
    ticks = sorted({at for line in panel["lines"].values() for at in line})
    for name, line in panel["lines"].items():
        bound = name in BOUNDS
        number = 0 if bound else look(name, measured)
        points = sorted(line.items())
        handles[name], = place.plot(
            [at for at, _ in points], [value for _, value in points], label=name,
            color=text if bound else colours[number % len(colours)], linestyle="--" if bound else "-",
            marker=None if bound else MARKERS[number % len(MARKERS)], markersize=4, linewidth=1.4)
    place.set_title(panel["title"], fontsize=9)
    if described.across == "logarithmic":
        place.set_xscale("log", base=2)
    place.set_xticks(ticks, [str(tick) for tick in ticks])
    place.minorticks_off()
    found = [value for line in panel["lines"].values() for value in line.values()]
    if described.up == "logarithmic":
        place.set_yscale("log")
        levels(place, found)
    elif described.up == "percent":
        place.set_ylim(min(0, *found), max(110, *found))
    elif described.up == "from zero":
        place.set_ylim(0, 1.05 * max(found))
    place.set_xlabel(described.x)
    place.set_ylabel(described.y)
    place.grid(True, linewidth=0.6)


def bars(place, panel, described, names, colour, text):
    """One panel of bars from the top down, with their values, and a line for the floor. The first has their names."""
    found = list(panel["lines"].items())[::-1]
    drawn = place.barh([name for name, _ in found], [value for _, value in found], color=colour)
    place.bar_label(drawn, fmt="%.1f", padding=2, fontsize=8, color=text)
    place.axvline(panel["floor"], color=text, linestyle="--", linewidth=1.2)
    place.set_xlim(0, 1.2 * max(value for _, value in found))
    place.set_title(panel["title"], fontsize=9)
    place.set_xlabel(described.y)
    if not names:
        place.set_yticklabels([])


def levels(place, found):
    """Ticks at 1, 2 and 5 times powers of ten around the values."""
    low, high = min(found), max(found)
    if not low > 0:
        return
    steps = [factor * 10.0**power for power in range(-3, 9) for factor in (1, 2, 5)]
    start = max([step for step in steps if step < 0.95 * low] or [low])
    end = min([step for step in steps if step > 1.05 * high] or [high])
    kept = [step for step in steps if start <= step <= end]
    place.set_ylim(start, end if end > start else start * 2)
    place.set_yticks(kept, [f"{step:g}" for step in kept])
    place.minorticks_off()
