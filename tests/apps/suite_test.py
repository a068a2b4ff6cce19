#!/usr/bin/env python3
"""The suite's cases say the same natively and through PearVisor, bit for bit, and can fail.

PV_TEST_PROGRAM is pearvisor, PV_TEST_SUITE the suite, PV_TEST_SUITE_MUTATED the same with a fault
in each case. What only a guest skips must be missing for a reason that differences.toml knows. On
lavapipe, or PV_TEST_DRIVER's manifest; skipped without a driver or without Venus.
"""

import fnmatch
import functools
import glob
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77  # Meson's status for a test that could not be made here
TIMEOUT_S = 1500  # of each of three runs: of minutes on a slow machine
LINE = re.compile(r"(PASS|SKIP|FAIL) (\w+):? ?(.*)")
VERSION = "VkPhysicalDeviceProperties2.properties.apiVersion"


def read_verdicts(text):
    """{case: (verdict, checksum or reason)} of what the suite printed."""
    return {match[2]: (match[1], match[3]) for match in map(LINE.fullmatch, text.splitlines())
            if match}


def is_known(reason, lists):
    """Whether differences.toml says that guests lack it: "no VK_EXT_mesh_shader"."""
    what = reason.removeprefix("no ")
    entries = lists["venus"] + lists["pearvisor"]
    if what.startswith("Vulkan 1."):
        return any(VERSION in entry["what"] and
                   int(entry["guest"]) >> 12 & 0x3ff < int(what.removeprefix("Vulkan 1."))
                   for entry in entries)
    path = f"extension.{what}" if what.startswith("VK_") else \
        what.replace("VkPhysicalDeviceFeatures.", "VkPhysicalDeviceFeatures2.features.")
    return any(fnmatch.fnmatch(path, pattern) for entry in entries for pattern in entry["what"])


def compare(native, guest, lists):
    """What is wrong, a line each."""
    wrong = [f"{name}: run on one side only" for name in native.keys() ^ guest.keys()]
    for name in native.keys() & guest.keys():
        (verdict, detail), (seen, reason) = native[name], guest[name]
        if verdict == "FAIL":
            wrong.append(f"{name}: fails natively: {detail}")
        elif seen == "SKIP" and verdict == "PASS" and is_known(reason, lists):
            continue
        elif seen != verdict or verdict == "PASS" and detail != reason:
            wrong.append(f"{name}: natively {verdict} {detail}, in the guest {seen} {reason}")
    return sorted(wrong)


class Comparison(unittest.TestCase):
    """The judgement itself, on verdicts that are made up."""

    LISTS = {"venus": [{"what": ["extension.VK_EXT_a*"]},
                       {"what": [VERSION], "guest": str(1 << 22 | 3 << 12)}],
             "pearvisor": [{"what": ["VkPhysicalDeviceFeatures2.features.sparse*"]}]}

    def test_equal_verdicts_pass(self):
        text = "PASS one 0123\nnoise\nSKIP two: no VK_EXT_x\n"
        self.assertEqual(compare(read_verdicts(text), read_verdicts(text), self.LISTS), [])

    def test_other_bits_fail(self):
        self.assertEqual(len(compare(read_verdicts("PASS one 1"), read_verdicts("PASS one 2"),
                                     self.LISTS)), 1)

    def test_skips_need_a_known_reason(self):
        native = read_verdicts("PASS one 1")
        for reason, wrong in (("VK_EXT_abc", 0), ("VK_EXT_b", 1), ("Vulkan 1.4", 0),
                              ("Vulkan 1.3", 1),
                              ("VkPhysicalDeviceFeatures.sparseBinding", 0),
                              ("VkPhysicalDeviceFeatures.geometryShader", 1)):
            guest = read_verdicts(f"SKIP one: no {reason}")
            self.assertEqual(len(compare(native, guest, self.LISTS)), wrong, reason)

    def test_cases_that_are_missing_or_fail_are_told(self):
        native = read_verdicts("PASS one 1\nFAIL two: why\nPASS three 3")
        guest = read_verdicts("FAIL one: bad\nFAIL two: why")
        self.assertEqual(len(compare(native, guest, self.LISTS)), 3)


@functools.cache
def verdicts(*command):
    """On the driver, unless `command` hands it to a guest."""
    environment = dict(os.environ, VK_DRIVER_FILES=DRIVER, VK_ICD_FILENAMES=DRIVER)
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S,
                            env=environment, check=False)
    assert result.returncode in (0, 1), f"{result.returncode} after:\n{result.stdout}"
    return read_verdicts(result.stdout)


class Suite(unittest.TestCase):
    def test_cases_say_the_same_natively_and_in_a_guest(self):
        suite = os.environ["PV_TEST_SUITE"]
        native = verdicts(suite)
        guest = verdicts(os.environ["PV_TEST_PROGRAM"], "serve", "--driver", DRIVER, "--", suite)
        lists = tomllib.loads((HERE / "differences.toml").read_text(encoding="utf-8"))
        for title, found in (("natively", native), ("in a guest", guest)):
            count = {verdict: sum(one == verdict for one, _ in found.values())
                     for verdict in ("PASS", "SKIP", "FAIL")}
            print(f"{title}: {count}", file=sys.stderr)
        self.assertEqual(compare(native, guest, lists), [])

    def test_each_case_can_fail(self):
        native = verdicts(os.environ["PV_TEST_SUITE"])
        mutated = verdicts(os.environ["PV_TEST_SUITE_MUTATED"])
        passed = {name for name, (verdict, _) in native.items() if verdict == "PASS"}
        self.assertEqual({name for name in passed if mutated.get(name, ("",))[0] != "FAIL"}, set())


DRIVER = os.environ.get("PV_TEST_DRIVER") or next(
    iter(sorted(glob.glob("/usr/share/vulkan/icd.d/lvp_icd*.json"))), None)

if __name__ == "__main__":
    if DRIVER is None or not glob.glob("/usr/share/vulkan/icd.d/virtio_icd*.json"):
        print("suite_test: skipped: no driver or no Venus here")
        sys.exit(SKIPPED)
    unittest.main()
