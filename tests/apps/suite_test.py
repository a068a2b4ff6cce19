#!/usr/bin/env python3
"""The suite's cases say the same natively and through PearVisor, bit for bit, and can fail.

PV_TEST_SUITE is the suite, PV_TEST_SUITE_MUTATED the same with a fault in each case. What only one
side skips must be what its device lacks by what PV_TEST_CAPABILITIES prints; capabilities_test
judges whether it may. With its fault, what passes natively must fail there, and what only a guest
passes in the guest. Where the host has the Khronos validation layer, it must find no fault with the
cases. sides.py says what is compared; skipped where it is not there.
"""

import contextlib
import functools
import json
import os
import pathlib
import re
import resource
import sys
import tempfile
import unittest

import sides

TIMEOUT_S = 1500  # of each run of all cases: of minutes on a slow machine
LINE = re.compile(r"(PASS|SKIP|FAIL) (\w+):? ?(.*)")
LAYER = "usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json"
FAULT = re.compile(r"Validation Error: \[ (\S+)")
VERSION = "VkPhysicalDeviceProperties2.properties.apiVersion"
# What Mesa's client must be told by VN_PERF, so that a program gets the VkResult of the case.
ANSWERS = {"device_lost": "no_fence_feedback,no_semaphore_feedback",
           "memory_one_past_the_limit": "no_async_mem_alloc"}
# All cases, of which none harms a GPU.
ALL = "APP_MAY_LOSE_DEVICE=", os.environ.get("PV_TEST_SUITE", "")
# One for each allocation that Vulkan promises, and what else pearvisor opens.
DESCRIPTORS_MIN = 6000
PASSES_MIN = 200  # a driver that offers a case less is none to compare with
NO_DEVICE = re.compile(r"vkCreateInstance|vkEnumeratePhysicalDevices|vkCreateDevice|no physical")


def read_verdicts(text):
    """{case: (verdict, checksum or reason)} of what the suite printed."""
    return {match[2]: (match[1], match[3]) for match in map(LINE.fullmatch, text.splitlines())
            if match}


def is_lacking(reason, other, device):
    """Whether a device lacks what the other side's has: "no VK_EXT_mesh_shader"."""
    what = reason.removeprefix("no ")
    if what.startswith("Vulkan 1."):
        return int(device[VERSION]) >> 12 & 0x3ff < int(what.removeprefix("Vulkan 1."))
    path = f"extension.{what}" if what.startswith("VK_") else \
        what.replace("VkPhysicalDeviceFeatures.", "VkPhysicalDeviceFeatures2.features.")
    return other.get(path, "0") != "0" and device.get(path, "0") == "0"


def compare(native, guest, devices):
    """What is wrong, a line each. `devices`: the answers of the host's and of the guest's."""
    wrong = [f"{name}: run on one side only" for name in native.keys() ^ guest.keys()]
    for name in native.keys() & guest.keys():
        (verdict, detail), (seen, reason) = native[name], guest[name]
        if verdict == "FAIL":
            wrong.append(f"{name}: fails natively: {detail}")
        elif seen == "SKIP" and verdict == "PASS" and is_lacking(reason, *devices):
            continue
        elif seen == "PASS" and verdict == "SKIP" and is_lacking(detail, *reversed(devices)):
            continue
        elif seen != verdict or verdict == "PASS" and detail != reason:
            wrong.append(f"{name}: natively {verdict} {detail}, in the guest {seen} {reason}")
    return sorted(wrong)


def read_faults(text):
    """What the layer printed before each case's verdict: "case: id", a line each."""
    faults, pending = [], []
    for line in [*text.splitlines(), "PASS end"]:
        if found := FAULT.search(line):
            pending.append(found[1])
        elif match := LINE.fullmatch(line):
            faults += [f"{match[2]}: {fault}" for fault in pending]
            pending = []
    return faults


class Comparison(unittest.TestCase):
    """The judgement itself, on verdicts that are made up."""

    DEVICES = ({"extension.VK_EXT_abc": "1", VERSION: str(1 << 22 | 4 << 12),
                "VkPhysicalDeviceFeatures2.features.sparseBinding": "1",
                "VkPhysicalDeviceFeatures2.features.geometryShader": "1"},
               {"extension.VK_EXT_guests": "1", VERSION: str(1 << 22 | 3 << 12),
                "VkPhysicalDeviceFeatures2.features.sparseBinding": "0",
                "VkPhysicalDeviceFeatures2.features.geometryShader": "1"})

    def test_equal_verdicts_pass(self):
        text = "PASS one 0123\nnoise\nSKIP two: no VK_EXT_x\n"
        self.assertEqual(compare(read_verdicts(text), read_verdicts(text), self.DEVICES), [])

    def test_other_bits_fail(self):
        self.assertEqual(len(compare(read_verdicts("PASS one 1"), read_verdicts("PASS one 2"),
                                     self.DEVICES)), 1)

    def test_skips_need_a_known_reason(self):
        native = read_verdicts("PASS one 1")
        for reason, wrong in (("VK_EXT_abc", 0), ("VK_EXT_b", 1), ("Vulkan 1.4", 0),
                              ("Vulkan 1.3", 1),
                              ("VkPhysicalDeviceFeatures.sparseBinding", 0),
                              ("VkPhysicalDeviceFeatures.geometryShader", 1)):
            guest = read_verdicts(f"SKIP one: no {reason}")
            self.assertEqual(len(compare(native, guest, self.DEVICES)), wrong, reason)

    def test_what_only_a_guest_has_needs_a_known_reason(self):
        guest = read_verdicts("PASS one 1")
        for reason, wrong in (("VK_EXT_guests", 0), ("VK_EXT_abc", 1), ("format R8", 1)):
            native = read_verdicts(f"SKIP one: no {reason}")
            self.assertEqual(len(compare(native, guest, self.DEVICES)), wrong, reason)

    def test_cases_that_are_missing_or_fail_are_told(self):
        native = read_verdicts("PASS one 1\nFAIL two: why\nPASS three 3")
        guest = read_verdicts("FAIL one: bad\nFAIL two: why")
        self.assertEqual(len(compare(native, guest, self.DEVICES)), 3)

    def test_faults_belong_to_the_case_whose_verdict_follows(self):
        text = "PASS one 1\nValidation Error: [ VUID-a-1 ] | id\nof two\nValidation Error: " \
            "[ SYNC-B ]\nPASS two 2\nValidation Warning: [ W ]\nPASS three 3\n" \
            "Validation Error: [ VUID-c-2 ]"
        self.assertEqual(read_faults(text), ["two: VUID-a-1", "two: SYNC-B", "end: VUID-c-2"])


def output(result):
    assert result.returncode in (0, 1), f"{result.returncode} after:\n{result.stdout}\n" \
        f"{result.stderr}"
    return result.stdout


@functools.cache
def natively():
    return read_verdicts(output(sides.on_host(*ALL, timeout_s=TIMEOUT_S)))


@functools.cache
def in_a_guest():
    return read_verdicts(output(sides.in_guest(*ALL, timeout_s=TIMEOUT_S)))


def run_one(side, name, *settings, suite="PV_TEST_SUITE", **options):
    """(verdict, checksum or reason) of one case."""
    text = output(side(*settings, os.environ[suite], name, timeout_s=TIMEOUT_S, **options))
    return read_verdicts(text)[name]


@contextlib.contextmanager
def losing_driver():
    """The manifest of a driver like lavapipe, whose devices can be lost."""
    library = pathlib.Path(os.environ["PV_TEST_LOSING_DRIVER"])
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        manifest = pathlib.Path(folder, "losing_icd.json")
        manifest.write_text(json.dumps({
            "file_format_version": "1.0.1",
            "ICD": {"library_path": str(library), "api_version": "1.4.0"}}))
        yield str(manifest)


class Suite(unittest.TestCase):
    def test_cases_say_the_same_natively_and_in_a_guest(self):
        reader = os.environ["PV_TEST_CAPABILITIES"]
        native, guest = natively(), in_a_guest()
        devices = [sides.read_answers(output(run(reader, timeout_s=TIMEOUT_S)))
                   for run in (sides.on_host, sides.in_guest)]
        for title, found in (("natively", native), ("in a guest", guest)):
            count = {verdict: sum(one == verdict for one, _ in found.values())
                     for verdict in ("PASS", "SKIP", "FAIL")}
            print(f"{title}: {count}", file=sys.stderr)
            self.assertGreater(count["PASS"], PASSES_MIN, title)
        wrong = compare(native, guest, devices)
        self.assertFalse(wrong, "\n".join(["", *wrong]))

    def expect_to_fail(self, side, names):
        mutated = read_verdicts(output(side(os.environ["PV_TEST_SUITE_MUTATED"], *names,
                                            timeout_s=TIMEOUT_S)))
        for name in names:
            with self.subTest(name):
                verdict, reason = mutated.get(name, ("missing", ""))
                self.assertEqual(verdict, "FAIL", reason)
                self.assertNotRegex(reason, NO_DEVICE)

    def test_each_case_can_fail(self):
        self.expect_to_fail(sides.on_host, [name for name, (verdict, _) in natively().items()
                                            if verdict == "PASS"])

    def test_what_only_a_guest_passes_can_fail(self):
        names = [name for name, (verdict, _) in in_a_guest().items()
                 if verdict == "PASS" and natively()[name][0] == "SKIP"]
        if not names:
            self.skipTest("a guest passes nothing else")
        self.expect_to_fail(sides.in_guest, names)

    def test_a_program_outlives_its_device(self):
        if not sides.manifest(sides.HOST, "lvp"):
            self.skipTest("no lavapipe here")
        name, may = "device_lost", "APP_MAY_LOSE_DEVICE=1"
        told = f"VN_PERF={ANSWERS[name]}"
        with losing_driver() as driver:
            native = run_one(sides.on_host, name, may, driver=driver)
            self.assertEqual(native[0], "PASS", native)
            for more in "", ",no_async_queue_submit":
                self.assertEqual(run_one(sides.in_guest, name, may, told + more, driver=driver),
                                 native, more)
            for side in sides.on_host, sides.in_guest:
                verdict, reason = run_one(side, name, may, told, suite="PV_TEST_SUITE_MUTATED",
                                          driver=driver)
                self.assertEqual(verdict, "FAIL", reason)
                self.assertRegex(reason, "of a lost device")

    def test_a_program_is_told_that_it_has_too_many_allocations(self):
        if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DESCRIPTORS_MIN:
            self.skipTest(f"no {DESCRIPTORS_MIN} file descriptors")
        name = "memory_one_past_the_limit"
        told = f"VN_PERF={ANSWERS[name]}"
        verdict, reason = run_one(sides.in_guest, name, told)
        self.assertEqual(verdict, "PASS", reason)
        verdict, reason = run_one(sides.in_guest, name, told, suite="PV_TEST_SUITE_MUTATED")
        self.assertEqual(verdict, "FAIL", reason)
        self.assertRegex(reason, "in the last one")

    def test_cases_are_valid_vulkan(self):
        manifest = pathlib.Path(sides.HOST or "/") / LAYER
        if not manifest.exists():
            self.skipTest("no validation layer here")
        layer = json.loads(manifest.read_text())["layer"]
        if [int(number) for number in layer["api_version"].split(".")] < [1, 4]:
            self.skipTest(f"the cases are of Vulkan 1.4, the layer of {layer['api_version']}")
        settings = {"VALIDATE_SYNC": "true", "ENABLE_MESSAGE_LIMIT": "false",
                    "REPORT_FLAGS": "error,info"}
        text = output(sides.on_host(
            f"VK_INSTANCE_LAYERS={layer['name']}",
            *(f"VK_KHRONOS_VALIDATION_{name}={value}" for name, value in settings.items()),
            *ALL, timeout_s=TIMEOUT_S))
        faults = read_faults(text)
        self.assertFalse(faults, "\n".join(["", *faults, "", text]))
        self.assertRegex(text, "- Synchronization\n|ENABLE_SYNCHRONIZATION",
                         "the layer does not say that it looks")
        self.assertEqual(read_verdicts(text), natively())


if __name__ == "__main__":
    if sides.why_not():
        print(f"suite_test: skipped: {sides.why_not()}")
        sys.exit(sides.SKIPPED)
    unittest.main()
