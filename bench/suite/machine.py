"""Which machine, driver, client and compiler the figures are of."""

import datetime
import glob
import json
import os
import pathlib
import platform
import re
import subprocess

COMPILER = re.compile(rb"GCC: \([^)]*\) [\d.]+|[\w ]*clang version [\d.]+[-~+.\w]*")
ICD_FOLDERS = ["/usr/local/share", "/usr/share", "/etc"]


def lavapipe():
    """Its ICD file; None where it is not installed. There may be one for each architecture."""
    names = f"lvp_icd.{platform.machine()}.json", "lvp_icd.json"
    found = [path for folder in ICD_FOLDERS
             for path in sorted(glob.glob(f"{folder}/vulkan/icd.d/lvp_icd*.json"),
                                key=lambda path: [os.path.basename(path) != name
                                                  for name in names])]
    return found[0] if found else None


def processor():
    try:
        found = re.search(r"^model name\s*: (.*)$",
                          pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def memory_gib():
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def compiler(program):
    """What built the program, as compilers note it in what they build."""
    try:
        found = COMPILER.search(pathlib.Path(program).read_bytes())
    except OSError:
        found = None
    return found[0].decode() if found else "unknown"


def commit(root):
    done = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12"],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def device_of(client, side):
    done = subprocess.run([client, "device"], env=side.environment, capture_output=True, text=True,
                          timeout=60, check=False)
    try:
        found = json.loads(done.stdout.splitlines()[0])
    except (IndexError, ValueError):
        return "unknown"
    return "{device}, {driver_info}, Vulkan {api_version}".format(**found)


def describe(root, program):
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{memory_gib():.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "compiler": compiler(program),
        "commit": commit(root),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }
