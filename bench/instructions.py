#!/usr/bin/env python3
"""Counts the instructions of each decode_bench case with callgrind: repeatable on any machine."""

import os
import re
import subprocess
import sys
import tempfile

CASES = ["draw", "bind_pipeline", "bind_1_set", "bind_4_sets", "push_constants",
         "bind_vertex_buffers", "update_8_uniform_buffers", "queue_submit", "mixed_frame",
         "create_destroy"]


def count(program, case):
    """Instructions per command, of the loop and all that it calls; without the copy before it."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        # Not the copy out of the ring: callgrind counts `rep movsb` as one instruction a byte.
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
             "--toggle-collect=bench_execute", program, "--once", case],
            capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"instructions.py: {case}: {done.stderr.strip().splitlines()[-1]}")
        with open(out, encoding="utf-8") as file:
            total = int(re.search(r"^(?:summary|totals): (\d+)", file.read(), re.M)[1])
    commands = int(re.search(r"(\d+) commands", done.stdout)[1])
    return total / commands


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: instructions.py DECODE_BENCH")
    for case in CASES:
        print(f"{case:<26} {count(sys.argv[1], case):8.1f} instructions/command", flush=True)


if __name__ == "__main__":
    main()
