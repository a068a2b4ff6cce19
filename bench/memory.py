#!/usr/bin/env python3
"""Measures the memory that PearVisor costs a program which embeds it.

    bench/memory.py [--build DIR] [--driver fake|ICD.json ...] [--runs N] [--json FILE]

A native program lets a driver fill a buffer (bench/memory/native.c); a guest does the same through
the library, on a ring of 4 MiB in memory of the program's (embed.c). Both then wait, and their
private memory is read from /proc: the difference is what the library and its first context cost.
With 11 and with 51 contexts in one process the slope is what one more costs that is idle. What the
caller gave to the library (rings, replies) is counted apart. Medians of several runs, each of new
processes. By default on the fake driver and on lavapipe.

Exits with 1 if a goal is missed, with 2 if something cannot be measured. Needs Linux, Python and
`ninja -C build/meson bench/memory_native bench/memory_embed`.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from suite import machine, sides  # noqa: E402

FAKE = "fake"
MB = 1_000_000
FIRST_LIMIT = 10 * MB  # private, beyond native
NEXT_LIMIT = 1 * MB  # private, per idle context
CONTEXTS = [1, 11, 51]
LIMIT_S = 120  # for one process


class Problem(Exception):
    """Something for the one line that a user reads."""


# --- one process ----------------------------------------------------------------------------------

def parse_smaps(text):
    """{"private", "shared", "total"} in bytes, of smaps_rollup or of smaps, which is its summands.

    total is what is resident; its rest beside private is shared with other processes."""
    sums = dict.fromkeys(["Private_Clean", "Private_Dirty", "Shared_Clean", "Shared_Dirty", "Rss"],
                         0)
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name in sums:
            sums[name] += int(rest.split()[0]) * 1024
    if sums["Rss"] == 0:
        raise Problem("/proc says nothing of what is private: it takes Linux with smaps")
    return {"private": sums["Private_Clean"] + sums["Private_Dirty"],
            "shared": sums["Shared_Clean"] + sums["Shared_Dirty"], "total": sums["Rss"]}


def read_smaps(pid):
    for name in ("smaps_rollup", "smaps"):
        path = pathlib.Path(f"/proc/{pid}/{name}")
        if path.exists():
            return parse_smaps(path.read_text(encoding="utf-8"))
    raise Problem("no /proc/PID/smaps on this system")


def environment_for(driver):
    environment = {name: value for name, value in sides.clean_environment().items()
                   if not name.startswith(("PV_TEST_", "MALLOC_"))}  # Meson's tests fill memory
    if driver != FAKE:
        environment |= {"PV_TEST_DRIVER": "loader", "VK_DRIVER_FILES": driver,
                        "VK_ICD_FILENAMES": driver}
    return environment


def measure(command, driver):
    """What a process holds when it says that it is ready, "callers" (its own gift to the library)
    taken from "private" and "total"."""
    name = os.path.basename(command[0])
    with subprocess.Popen(command, env=environment_for(driver), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watch = threading.Timer(LIMIT_S, process.kill)
        watch.start()
        try:
            line = process.stdout.readline()
            held = read_smaps(process.pid) if line else None
            _, errors = process.communicate()  # ends its input
        finally:
            watch.cancel()
    if held is None or process.returncode != 0:
        said = errors.strip().splitlines() or [f"ended with status {process.returncode}"]
        raise Problem(f"{name} on {driver}: {said[-1]}")
    callers = json.loads(line)["callers_bytes"]
    return {"callers": callers, "private": held["private"] - callers, "shared": held["shared"],
            "total": held["total"] - callers}


# --- all of them ----------------------------------------------------------------------------------

def medians(samples):
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def measure_driver(build, driver, runs):
    """{"native" or a number of contexts: medians}; in turn, so that what drifts falls on all."""
    native = [str(build / "bench/memory_native")]
    embed = str(build / "bench/memory_embed")
    commands = {"native": native, **{count: [embed, str(count)] for count in CONTEXTS}}
    samples = {key: [] for key in commands}
    for _ in range(runs):
        for key, command in commands.items():
            samples[key].append(measure(command, driver))
    return {key: medians(some) for key, some in samples.items()}


def costs(held):
    """What the first context costs beyond native, and one more (the dearer of two slopes)."""
    private = {key: sample["private"] for key, sample in held.items()}
    slopes = [(private[more] - private[CONTEXTS[0]]) / (more - CONTEXTS[0])
              for more in CONTEXTS[1:]]
    return {"first": private[CONTEXTS[0]] - private["native"], "next": max(slopes)}


def judge(driver, cost):
    """The lines that say which goal is missed."""
    wrong = []
    if not cost["first"] < FIRST_LIMIT:
        wrong.append(f"{driver}: the library with one context costs {cost['first'] / MB:.2f} MB "
                     f"beyond a native program, allowed are {FIRST_LIMIT / MB:.0f} MB")
    if not cost["next"] < NEXT_LIMIT:
        wrong.append(f"{driver}: a further idle context costs {cost['next'] / MB:.3f} MB, "
                     f"allowed is {NEXT_LIMIT / MB:.0f} MB")
    return wrong


def print_driver(driver, held, cost):
    print(f"{driver}\n{'':24}{'private MB':>12}{'shared':>12}{'total':>12}{'caller':>12}")
    for key, sample in held.items():
        label = key if key == "native" else f"{key} context" + "s" * (key != 1)
        print(f"  {label:22}" + "".join(f"{sample[column] / MB:12.2f}" for column in
                                        ("private", "shared", "total", "callers")))
    print(f"  library with one context, beyond native: {cost['first'] / MB:.2f} MB "
          f"(goal: < {FIRST_LIMIT / MB:.0f})")
    print(f"  each further idle context:               {cost['next'] / MB:.3f} MB "
          f"(goal: < {NEXT_LIMIT / MB:.0f})", flush=True)


# --- the program ----------------------------------------------------------------------------------

def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/meson",
                        help="Meson's build folder")
    parser.add_argument("--driver", action="append", metavar="fake|ICD.json",
                        help="may be repeated (default: fake, and lavapipe)")
    parser.add_argument("--runs", type=int, default=5, help="of each process (default 5)")
    parser.add_argument("--json", metavar="FILE", help="writes the figures for other tools")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    return arguments


def drivers_of(arguments):
    drivers = arguments.driver or [FAKE, machine.lavapipe()]
    for driver in drivers:
        if driver is None:
            raise Problem("no lavapipe on this machine; --driver names another driver, or fake")
        if driver != FAKE and not os.access(driver, os.R_OK):
            raise Problem(f"no driver {driver}")
    return drivers


def write_json(path, program, results):
    report = {"tool": "memory", "machine": machine.describe(str(ROOT), program),
              "goals": {"first": FIRST_LIMIT, "next": NEXT_LIMIT}, "unit": "bytes",
              "results": results}
    pathlib.Path(path).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def main():
    arguments = parse_arguments()
    drivers = drivers_of(arguments)
    for name in ("memory_native", "memory_embed"):
        if not os.access(arguments.build / "bench" / name, os.X_OK):
            raise Problem(f"no {arguments.build}/bench/{name}; ninja -C {arguments.build} "
                          f"bench/{name} builds it")
    results, wrong = [], []
    for driver in drivers:
        held = measure_driver(arguments.build, driver, arguments.runs)
        cost = costs(held)
        print_driver(driver, held, cost)
        results.append({"driver": driver, "held": held, "cost": cost})
        wrong += judge(driver, cost)
    if arguments.json:
        write_json(arguments.json, str(arguments.build / "bench/memory_embed"), results)
    for line in wrong:
        print(f"memory: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Problem, OSError) as problem:
        print(f"memory: {problem}", file=sys.stderr)
        sys.exit(2)
