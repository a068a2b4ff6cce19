#!/usr/bin/env python3
"""Sums Meson's test logs; the last line printed is "N passed, N failed, N skipped".

    tools/test-summary.py [--unfinished WHAT]... LOG.json...

A log that is missing counts as one failure: its build did not get as far as testing. What a limit
of time kept from running is named before the last line, and fails nothing.
"""

import argparse
import json
import pathlib
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP", "IGNORED"}
CUT = {"INTERRUPT"}  # Meson itself was told to end


def results_of(log):
    """The (name, result) pairs of one log, or None if it is not there."""
    if not log.exists():
        return None
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    # A test that is repeated, or restarted by Meson, appears again: its last result counts.
    results = {}
    for number, line in enumerate(lines):
        try:
            test = json.loads(line)
            results[test["name"]] = test["result"]
        except ValueError:
            if number + 1 < len(lines):
                raise
            results["the last line"] = "INTERRUPT"  # Meson was killed while it wrote
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--unfinished", action="append", default=[], metavar="WHAT")
    parser.add_argument("logs", nargs="*", type=pathlib.Path, metavar="LOG.json")
    args = parser.parse_args()
    passed, failed, skipped = 0, [], 0
    for log in args.logs:
        results = results_of(log)
        if not results:
            failed.append(f"{log}: did not build, or ran no test")
            continue
        for name, result in results.items():
            if result in PASSED:
                passed += 1
            elif result in SKIPPED:
                skipped += 1
            elif result not in CUT or f"{log.stem}, cut off" not in args.unfinished:
                failed.append(f"{log}: {name}: {result}")
    for line in failed:
        print(line)
    for what in args.unfinished:
        print(f"for lack of time not (all) run: {what}")
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
