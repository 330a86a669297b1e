#!/usr/bin/env python3
"""alike.py ONE WHOLE: whether a merged run is what one run came to: cases, order, verdicts, counts; in virtual time digests
and captures to the byte. Exit status 1 where it is not."""

import hashlib
import json
import pathlib
import sys


def results(folder):
    return json.loads((folder / "results.json").read_text())


def captures(folder, places):
    return {place: hashlib.sha256((folder / place).read_bytes()).hexdigest() for place in places}


def main():
    one, whole = (pathlib.Path(name) for name in sys.argv[1:3])
    left, right = results(one), results(whole)
    faults = []

    def hold(what, first, second):
        if first != second:
            faults.append(f"{what}: {first!r:.200} and {second!r:.200}")

    key = [(case["kernel"], case["id"], case.get("seed")) for case in left["cases"]]
    hold("cases", key, [(case["kernel"], case["id"], case.get("seed")) for case in right["cases"]])
    for case, other in zip(left["cases"], right["cases"]):
        hold(f"{case['id']}: verdict", case["verdict"], other["verdict"])
        hold(f"{case['id']}: digest", case.get("exact"), other.get("exact"))
    counts = [{name: value for name, value in side["summary"].items() if name != "seconds"} for side in (left, right)]
    hold("counts", *counts)
    exact = [case["capture"] for case in left["cases"] if case.get("exact") and case.get("capture")]
    hold("captures", captures(one, exact), captures(whole, exact))
    for name in ("report.html", "junit.xml", "results.ktap", "summary.md", "run.json", "events.jsonl"):
        hold(name, (one / name).exists(), (whole / name).exists())
    for fault in faults:
        print(f"not alike: {fault}", file=sys.stderr)
    print(f"{len(key)} cases, {counts[0]}, {len(exact)} digests: {'not alike' if faults else 'alike'}")
    return 1 if faults else 0


sys.exit(main())
