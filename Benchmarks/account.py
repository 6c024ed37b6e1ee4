"""Where the microseconds of a step go, from traces of `swiftep run --timeline FILE` with one rank and overlap direct.

    python3 account.py e<experts>-t<tokens>.json … [--results FILE --card CARD --commit COMMIT]

Prints when rows are there, when gate and up, SwiGLU (where it is a kernel of its own), down and the combine have ended,
and what each phase takes, from the end of the one before it, beyond its share of the floor: two thirds of the weights
are those of gate and up, one third is down's. Down may begin before SwiGLU has ended; its phase is what it still needs
then. Floors are those of Benchmarks/results. With --results the rows are added to a file of results, dated as
their traces are, and Benchmarks/plots.py makes the table from them.
"""

import argparse
import datetime
import json
import pathlib
import re
import sys

from figures import phases as table, rows

NAME = re.compile(r"e(\d+)-t(\d+)\.json")
RESULTS = pathlib.Path(__file__).resolve().parent / "results"


def phases(path):
    """Microseconds at which the phases of a trace end, as fields of a row."""
    try:
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"account.py: error: {path} is no trace of swiftep run --timeline: {error}")

    def ends(name):
        found = [event["ts"] + event["dur"] for event in events if event["name"] == name]
        if not found:
            sys.exit(f"account.py: error: {path} has no '{name}'; trace one rank with --overlap direct")
        return max(found)

    def blocks(name):
        return sum(event["name"] == name for event in events)

    up, down, end = ends("gate and up: work"), ends("down: work"), ends("combine receive")
    begin = min(event["ts"] for event in events if event["name"] == "down: work")
    # All thread blocks of a SwiGLU kernel have the name of those of the GEMM, of which there are as many as down has.
    separate = blocks("gate and up") > blocks("down")
    return {
        "rowsThereMicroseconds": ends("gate and up: wait"), "gateAndUpMicroseconds": up,
        "activationMicroseconds": ends("gate and up") if separate else up, "downBeginsMicroseconds": begin,
        "downMicroseconds": down,
        "minimumMicroseconds": end, "medianMicroseconds": end, "maximumMicroseconds": end,
    }


def row(path, card, commit):
    """A row of results of a trace."""
    name = NAME.fullmatch(path.name)
    if not name:
        sys.exit(f"account.py: error: {path.name} is not named e<experts>-t<tokens>.json, after what it is a trace of")
    experts, tokens = map(int, name.groups())
    # Before its date is asked for: a file that is missing is an error with a name.
    made = phases(path)
    date = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.timezone.utc)
    return {
        "schema": rows.SCHEMA, "date": date.strftime("%Y-%m-%dT%H:%M:%SZ"), "card": card, "commit": commit,
        "command": f"account.py {path.name}", "source": rows.OURS, "bench": "timeline", "what": "direct", "ranks": 1,
        "experts": experts, "tokens": tokens, "simulated": False, **made,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", nargs="+", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--results", type=pathlib.Path, metavar="FILE", help="add the rows to this file of results")
    parser.add_argument("--card", default="NVIDIA H200", help="what the traces are of")
    parser.add_argument("--commit", help="of the swiftep that made the traces")
    arguments = parser.parse_args()
    if arguments.results and not arguments.commit:
        parser.error("rows of results need --commit")
    found = [row(path, arguments.card, arguments.commit) for path in arguments.traces]
    try:
        measured = [
            other for other in rows.load(sorted(RESULTS.glob("*.jsonl")))
            if other["card"] == arguments.card and other["bench"] != "timeline"]
    except rows.ResultsError as error:
        sys.exit(f"account.py: error: {error}")
    print(table.account_table([*measured, *found]).markdown())
    if arguments.results:
        with open(arguments.results, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(one, sort_keys=True, separators=(",", ":")) + "\n" for one in found)


if __name__ == "__main__":
    main()
