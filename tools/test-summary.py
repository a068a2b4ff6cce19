#!/usr/bin/env python3
"""Sums Meson's test logs; the last line printed is "N passed, N failed, N skipped".

    tools/test-summary.py BUILD-FOLDER|LOG.json...

A build folder stands for its testlog.json. One without a log counts as one failure, and so does a
log that is missing: its build did not get as far as testing.
"""

import json
import pathlib
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP", "IGNORED"}


def results_of(place):
    """The (name, result) pairs of one build folder or log, or None if it ran no test at all."""
    log = place if place.suffix == ".json" else place / "meson-logs" / "testlog.json"
    if not log.exists():
        return None
    lines = log.read_text(encoding="utf-8").splitlines()
    # A test that is repeated, or restarted by Meson, appears again: its last result counts.
    tests = (json.loads(line) for line in lines if line.strip())
    return {test["name"]: test["result"] for test in tests}


def main(folders):
    passed, failed, skipped = 0, [], 0
    for folder in map(pathlib.Path, folders):
        results = results_of(folder)
        if not results:
            failed.append(f"{folder}: did not build, or ran no test")
            continue
        for name, result in results.items():
            if result in PASSED:
                passed += 1
            elif result in SKIPPED:
                skipped += 1
            else:
                failed.append(f"{folder}: {name}: {result}")
    for line in failed:
        print(line)
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
