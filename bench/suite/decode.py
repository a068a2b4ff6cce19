"""The tools that run streams onto a driver that does nothing, in processes of their own."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

LINE = re.compile(r"^(?P<case>\S+)\s+(?P<value>[\d.]+) (?P<unit>ns/command|instructions/command)")


def parse(text):
    """Results of a report for machines, {"results": [{"case", "value", "unit", "how"}]}, or of what
    the tools print for people."""
    try:
        return json.loads(text)["results"]
    except (ValueError, KeyError, TypeError):
        return [{"case": found["case"], "value": float(found["value"]), "unit": found["unit"],
                 "how": ""} for found in map(LINE.match, text.splitlines()) if found]


def run_tool(command, limit_s):
    """The results, and what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.json")
        try:
            done = subprocess.run([*command, "--json", report], capture_output=True, text=True,
                                  timeout=limit_s, check=False)
            if done.returncode != 0 and not report.exists():
                done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s,
                                      check=False)
        except (OSError, subprocess.TimeoutExpired) as fault:
            return [], str(fault)
        results = parse(report.read_text(encoding="utf-8") if report.exists() else done.stdout)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return results, lines[-1] if lines else f"ended with status {done.returncode}"
    return results, None if results else "said nothing"


def tools(build, source):
    """[name, command] of each tool that this build has."""
    folder = build / "bench"
    found = [[path.name, [path]] for path in sorted(folder.glob("*_bench")) if path.is_file()]
    decode_bench = folder / "decode_bench"
    if decode_bench.exists() and shutil.which("valgrind"):
        found.append(["instructions.py", [sys.executable, source / "instructions.py",
                                          decode_bench]])
    return found
