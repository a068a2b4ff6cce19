#!/usr/bin/env python3
"""Counts the instructions of each decode_bench case with callgrind, and judges them.

    bench/instructions.py DECODE_BENCH             prints them
    bench/instructions.py DECODE_BENCH --check     fails where a case has grown by more than 2 %
    bench/instructions.py DECODE_BENCH --update    makes them the baseline

    --baseline FILE   instead of bench/baseline.json
    --json FILE       writes them for other tools

Other machines count the same where compiler, architecture and C library are the same: those name
the baseline. A build that has none is counted, not judged.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

TOLERANCE = 0.02
SKIPPED = 77  # Meson's status for a test that could not be made here
BASELINE = pathlib.Path(__file__).resolve().parent / "baseline.json"

# The C library chooses its memcpy and the like by what the processor has, and valgrind shows it
# this machine's. These leave the variants that every x86-64 has; rep movsb, of which callgrind
# counts each byte, is for sizes that never come. Names that a library does not know it ignores.
TUNABLES = "glibc.cpu.hwcaps=" + ",".join(
    "-" + feature for feature in (
        "AVX", "AVX2", "AVX_Fast_Unaligned_Load", "AVX512F", "AVX512VL", "AVX512BW", "BMI1", "BMI2",
        "ERMS", "FSRM", "LZCNT", "MOVBE", "POPCNT", "RTM", "SSSE3", "SSE4_1", "SSE4_2",
        "Fast_Unaligned_Copy", "Fast_Copy_Backward", "Prefer_No_VZEROUPPER", "XSAVE", "XSAVEC")
) + ":glibc.cpu.x86_rep_movsb_threshold=0x7fffffff" \
    ":glibc.cpu.x86_rep_stosb_threshold=0x7fffffff" \
    ":glibc.cpu.x86_non_temporal_threshold=0x7fffffff"


class Problem(Exception):
    """Something for the one line that a user reads."""


# --- counting -------------------------------------------------------------------------------------

def count(program):
    """({case: instructions per command}, decode_bench's own report), in one run of callgrind.

    Only bench_execute() is collected, whose end dumps the count: the loop and all that it calls,
    without the copy out of the ring."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("MALLOC_")}  # Meson's tests fill memory, which counts
    environment["GLIBC_TUNABLES"] = TUNABLES
    with tempfile.TemporaryDirectory() as folder:
        out, report = os.path.join(folder, "callgrind.out"), os.path.join(folder, "report.json")
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--combine-dumps=yes",
             "--toggle-collect=bench_execute", "--dump-after=bench_execute",
             program, "--once", "--json", report],
            capture_output=True, text=True, check=False, env=environment)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            raise Problem(f"{program} under callgrind: {lines[-1]}")
        with open(report, encoding="utf-8") as file:
            figures = json.load(file)
        with open(out, encoding="utf-8") as file:
            totals = [int(total) for total in re.findall(r"^totals: (\d+)", file.read(), re.M)]
    results = figures["results"]
    if len(totals) < len(results):
        raise Problem(f"callgrind counted {len(totals)} of {len(results)} cases")
    return {result["case"]: total / result["commands"]
            for result, total in zip(results, totals)}, figures


def name_of(compiler):
    """What the counts depend on: "gcc-12 x86_64 glibc-2.36"."""
    library, version = platform.libc_ver()
    return f"{compiler} {platform.machine()} {library or 'libc'}-{version or 'unknown'}"


# --- judging --------------------------------------------------------------------------------------

def read_baselines(path):
    """{name: {case: instructions}} of a baseline file."""
    try:
        baselines = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}; --update makes it") from None
    except ValueError as error:
        raise Problem(f"{path}: not JSON: {error}") from None
    numbers = (isinstance(value, (int, float)) and value > 0
               for cases in (baselines.values() if isinstance(baselines, dict) else [None])
               for value in (cases.values() if isinstance(cases, dict) else [None]))
    if not all(numbers):
        raise Problem(f"{path}: not a baseline: it must be {{compiler: {{case: instructions}}}}")
    return baselines


def judge(counted, baseline):
    """The lines that say what is wrong; none when all is well."""
    wrong = []
    for case, before in baseline.items():
        now = counted.get(case)
        if now is None:
            wrong.append(f"{case}: baseline {before:.1f} instructions, now not counted at all")
        elif now > before * (1 + TOLERANCE):
            wrong.append(f"{case}: baseline {before:.1f} instructions, now {now:.1f} "
                         f"(+{(now / before - 1) * 100:.1f} %, allowed +{TOLERANCE * 100:.0f} %)")
    wrong += [f"{case}: no baseline, now {now:.1f} instructions"
              for case, now in counted.items() if case not in baseline]
    return wrong


def check(counted, name, path):
    """Exit status."""
    baselines = read_baselines(path)
    if name not in baselines:
        print(f"no baseline for {name}: counted, not judged")
        return SKIPPED
    wrong = judge(counted, baselines[name])
    for line in wrong:
        print(f"instructions: {line}")
    if wrong:
        print("instructions: is it meant? --update, as a commit of its own with the reason")
        return 1
    gains = [case for case, before in baselines[name].items()
             if counted[case] < before * (1 - TOLERANCE)]
    if gains:
        print(f"cheaper than the baseline of {name}: {', '.join(gains)}; --update keeps that")
    print(f"{len(counted)} cases within {TOLERANCE * 100:.0f} % of the baseline of {name}")
    return 0


def update(counted, name, path):
    """Replaces one compiler's figures; the others' stay."""
    baselines = read_baselines(path) if os.path.exists(path) else {}
    baselines[name] = {case: round(value, 1) for case, value in counted.items()}
    pathlib.Path(path).write_text(json.dumps(baselines, indent=2, sort_keys=False) + "\n",
                                  encoding="utf-8")
    print(f"{path}: {name}: {len(counted)} cases")


# --- the program ----------------------------------------------------------------------------------

def write_json(path, counted, figures):
    """The form that the other benches write."""
    results = [{"case": case, "value": round(value, 1), "unit": "instructions/command",
                "how": "callgrind, one warm run of one ring on a driver that does nothing"}
               for case, value in counted.items()]
    report = {"tool": "instructions", "machine": figures["machine"],
              "compiler": figures["compiler"], "results": results}
    pathlib.Path(path).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", metavar="DECODE_BENCH")
    act = parser.add_mutually_exclusive_group()
    act.add_argument("--check", action="store_true")
    act.add_argument("--update", action="store_true")
    parser.add_argument("--baseline", metavar="FILE", default=str(BASELINE))
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("instructions: there is no valgrind here: not counted")
        return SKIPPED
    if options.check:
        read_baselines(options.baseline)  # before the work
    counted, figures = count(options.program)
    for case, value in counted.items():
        print(f"{case:<26} {value:8.1f} instructions/command")
    if options.json:
        write_json(options.json, counted, figures)
    name = name_of(figures["compiler"])
    if options.update:
        update(counted, name, options.baseline)
    return check(counted, name, options.baseline) if options.check else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Problem, OSError) as problem:
        sys.exit(f"instructions: {problem}")
