#!/usr/bin/env python3
"""Measures PearVisor against the host's driver on this machine; what `make bench` runs.

    bench/run.py [--build DIR] [--quick] ...

Runs bench/client's program natively and through PearVisor in turn, and the tools that need no
driver; prints tables and goals, and leaves report.json and report.html in --out. Exits with 1 if
something could not be measured; a goal that is missed is no failure. Needs Python alone.
"""

import argparse
import contextlib
import json
import os
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from suite import decode, goals, machine, page, plan, sides, tables  # noqa: E402
from suite.figures import Figures, order  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/meson",
                        help="Meson's build folder")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/bench",
                        help="where the reports go")
    parser.add_argument("--driver", metavar="ICD.json",
                        help="the driver that is measured (default: lavapipe)")
    parser.add_argument("--client-driver", metavar="ICD.json",
                        help="the clients' Venus driver (default: what serve --print-env says)")
    parser.add_argument("--quick", action="store_true", help="a look, not a verdict")
    parser.add_argument("--minutes", type=float, default=11,
                        help="after these, one repetition must do (default 11)")
    parser.add_argument("--only", metavar="NAME", action="append",
                        help="only this measurement, or decode, or waiting; may be repeated")
    return parser.parse_args()


def find_lavapipe():
    return machine.lavapipe() or sys.exit(
        "bench/run.py: no lavapipe on this machine; --driver names another driver")


class Results:
    """All that was measured, and what could not be."""

    def __init__(self):
        self.figures = Figures()
        self.waiting = Figures()
        self.windows = {}
        self.decode = []
        self.runs = []
        self.failures = []
        self.notes = []
        self.machine = {}
        self.core_counts = []


class Session:
    def __init__(self, arguments, scratch, servers):
        self.arguments = arguments
        self.scratch = scratch
        self.servers = servers # an ExitStack
        self.began = time.monotonic()
        self.results = Results()
        self.program = str(arguments.build / "src/pearvisor")
        self.client = str(arguments.build / "bench/client/vulkan_bench")
        self.driver = arguments.driver or find_lavapipe()

    def wants(self, name):
        return not self.arguments.only or name in self.arguments.only

    def say(self, text):
        elapsed = int(time.monotonic() - self.began)
        print(f"[{elapsed // 60:2}:{elapsed % 60:02}] {text}", flush=True)

    def fail(self, text):
        self.results.failures.append(text)
        self.say("FAILED: " + text)

    # --- sides ---

    def native(self, cores=None):
        return sides.Side(goals.NATIVE, {"VK_DRIVER_FILES": self.driver,
                                         "VK_ICD_FILENAMES": self.driver}, cores=cores)

    def start(self, side):
        self.servers.callback(side.server.stop)
        return side

    def pearvisor(self, name=goals.OURS, options=(), cores=None):
        return self.start(sides.start_pearvisor(
            self.program, self.scratch, self.driver, self.arguments.client_driver, name, options,
            cores))

    def with_spare(self, side):
        """The same server again, with the next client's worker ready while it serves one."""
        if side.name != goals.OURS:
            return side
        side.server.stop()
        return self.pearvisor(options=("--max-clients", "8"))

    def open_sides(self):
        opened = [self.native()]
        try:
            ours = self.pearvisor()
            opened.append(ours)
        except (RuntimeError, OSError) as fault:
            self.fail(f"PearVisor: {fault}")
            return opened
        reason = sides.virglrenderer_reason()
        if reason:
            self.note("virglrenderer is not measured: " + reason)
            return opened
        try:
            opened.append(self.start(sides.start_virglrenderer(self.scratch, self.driver,
                                                               ours.environment)))
        except (RuntimeError, OSError) as fault:
            self.fail(f"virglrenderer: {fault}")
        return opened

    def note(self, text):
        self.results.notes.append(text)
        self.say(text)

    # --- measuring ---

    def measure(self, measurement, among, figures, windows):
        """One measurement on all sides in turn, as often as time allows."""
        if self.arguments.quick:
            measurement = plan.shortened(measurement)
        late = time.monotonic() - self.began > self.arguments.minutes * 60
        repetitions = 1 if late else measurement.repetitions
        if repetitions < measurement.repetitions:
            self.note(f"{measurement.name}: once, not {measurement.repetitions} times: the time "
                      "is up")
        given_up = set()
        self.say(f"{measurement.name}: {', '.join(s.name for s in among)}; {repetitions} times")
        for repetition in range(repetitions):
            for side in order(among, repetition):
                if side.name in given_up:
                    continue
                run = sides.run_client(self.client, side, measurement.name, measurement.ms,
                                       measurement.limit_s)
                self.keep(run, side, measurement.name, repetition, figures, windows)
                if run.error:
                    self.fail(f"{measurement.name}, {side.name}: {run.error}")
                    given_up.add(side.name)

    def keep(self, run, side, measurement, repetition, figures, windows):
        self.results.runs.append({"measurement": measurement, "side": side.name,
                                  "repetition": repetition, "figures": run.figures,
                                  "windows": run.windows, "error": run.error})
        for line in run.figures:
            figures.add(side.name, repetition, line)
        for mark, window in run.windows.items():
            windows.setdefault((side.name, mark), []).append(window)

    def compare(self):
        opened = self.open_sides()
        self.results.machine["driver"] = machine.device_of(self.client, opened[0])
        if len(opened) > 1:
            self.results.machine["client"] = machine.device_of(self.client, opened[1])
        for measurement in plan.FULL:
            if not self.wants(measurement.name):
                continue
            if measurement.name == "start":
                opened = [self.with_spare(side) for side in opened]
            among = opened[:1] if measurement.native_only else list(opened)
            if measurement.tuned:
                among += [side.tuned() for side in opened if side.server]
            self.measure(measurement, among, self.results.figures, self.results.windows)

    def compare_waiting(self):
        """Adaptive waiting against sleeping at once, on one core and on two."""
        if not sides.offers_wait(self.program):
            self.note("waiting is not compared: this `pearvisor serve` has no --wait")
            return
        cores = sorted(os.sched_getaffinity(0))
        for count in (1, 2):
            if len(cores) < count:
                self.note(f"waiting on {count} cores is not compared: there are fewer")
                continue
            label = f"{count} core" + "s" * (count > 1)
            self.results.core_counts.append(label)
            try:
                among = [self.pearvisor(f"{how}, {label}", (f"--wait={how}",), set(cores[:count]))
                         for how in ("adaptive", "sleep")]
            except (RuntimeError, OSError) as fault:
                self.fail(f"waiting on {label}: {fault}")
                continue
            for measurement in plan.WAITING:
                wanted = [side.tuned("") if measurement.tuned else side for side in among]
                self.measure(measurement, wanted, self.results.waiting, {})
            for side in among:
                side.server.stop()

    def decode(self):
        for name, command in decode.tools(self.arguments.build, ROOT / "bench"):
            self.say(name)
            found, fault = decode.run_tool(command, 240)
            self.results.decode += found
            if fault:
                self.fail(f"{name}: {fault}")

    def run(self):
        for needed in (self.program, self.client):
            if not os.access(needed, os.X_OK):
                sys.exit(f"bench/run.py: no {needed}; `make bench` builds it")
        self.results.machine.update(machine.describe(str(ROOT), self.program))
        if self.wants("decode"):
            self.decode()
        self.compare()
        if self.wants("waiting"):
            self.compare_waiting()
        self.results.machine["time taken"] = f"{time.monotonic() - self.began:.0f} s"
        if self.arguments.quick:
            self.note("--quick: short runs, few repetitions; no verdicts should rest on them")


def judge(results):
    figures = results.figures
    return (goals.decode_goals(results.decode) + goals.latency_goals(figures) +
            goals.throughput_goals(figures) + goals.poll_goals(figures) +
            goals.cpu_goals(results.windows) + goals.storm_goals(figures) +
            goals.start_goals(figures) +
            goals.waiting_goals(results.waiting, ["1 core", "2 cores"]))


def write(results, verdicts, shown, out):
    out.mkdir(parents=True, exist_ok=True)
    raw = {"machine": results.machine, "goals": [v._asdict() for v in verdicts],
           "failures": results.failures, "notes": results.notes, "decode": results.decode,
           "runs": results.runs}
    (out / "report.json").write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    (out / "report.html").write_text(page.page(results, verdicts, shown), encoding="utf-8")


def print_all(results, verdicts, shown):
    for table in shown:
        print(tables.text(table))
    print(tables.text(tables.Table("Goals", "", ["goal", "wanted", "measured", ""],
                                   [[v.name, v.wanted, v.measured, v.verdict()]
                                    for v in verdicts]), 64))
    print()
    for key, value in results.machine.items():
        print(f"{key}: {value}")
    for line in results.notes:
        print("note: " + line)
    for line in results.failures:
        print("not measured: " + line)


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="pearvisor-bench-") as scratch, \
            contextlib.ExitStack() as servers:
        session = Session(arguments, scratch, servers)
        session.run()
    results = session.results
    verdicts = judge(results)
    shown = tables.all_tables(results)
    write(results, verdicts, shown, arguments.out)
    print_all(results, verdicts, shown)
    print(f"\n{arguments.out / 'report.html'}")
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
