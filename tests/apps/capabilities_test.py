#!/usr/bin/env python3
"""A device says the same of itself natively and through PearVisor, but for differences.toml.

PV_TEST_CAPABILITIES is what prints a device's answers (capabilities.c), PV_VK_XML the registry: it
tells which struct belongs to which version or extension, and what only one side has is not compared
field by field. sides.py says what is compared; skipped where it is not there.
"""

import dataclasses
import fnmatch
import json
import os
import pathlib
import re
import sys
import tempfile
import tomllib
import unittest
import xml.etree.ElementTree

import sides

HERE = pathlib.Path(__file__).resolve().parent
PROTOCOL = HERE.parents[1] / "protocol/venus.json"
TIMEOUT_S = 600  # doctor looks at every driver that there is
VERSION = "VkPhysicalDeviceProperties2.properties.apiVersion"


class Registry:
    """Which versions ("1.2") and extensions each struct of vk.xml comes with."""

    def __init__(self, path):
        root = xml.etree.ElementTree.parse(path).getroot()
        alias = {one.get("name"): one.get("alias") for one in root.findall("types/type")
                 if one.get("alias")}
        self.sources = {}
        for source in root.findall("feature") + root.findall("extensions/extension"):
            # An extension has a number, too, which is no version.
            name = source.get("number") if source.tag == "feature" else source.get("name")
            for one in source.iter("type"):
                struct = alias.get(one.get("name"), one.get("name"))
                self.sources.setdefault(struct, set()).add(name)

    def has(self, answers, struct):
        """Whether the device with these answers knows the struct."""
        version = int(answers[VERSION])
        known = (version >> 22 & 0x7f, version >> 12 & 0x3ff)
        return any(f"extension.{source}" in answers if source.startswith("VK_")
                   else tuple(map(int, source.split("."))) <= known
                   for source in self.sources.get(struct, ()))


def differences(registry, native, guest):
    """{path: (native, guest)} of what both sides know and answer differently."""
    found = {}
    for path in native | guest:
        struct = path.split(".")[0]
        if native.get(path) != guest.get(path) and (struct == "extension" or (
                registry.has(native, struct) and registry.has(guest, struct))):
            found[path] = (native.get(path), guest.get(path))
    return found


@dataclasses.dataclass
class Device:
    native: dict  # its answers
    guest: dict
    probed: dict  # what doctor says of it

    def said(self, field):
        return self.native.get(f"VkPhysicalDeviceDriverProperties.{field}", "")


def is_cause_there(when, device):
    """Whether what a rule of ours names as its cause is so."""
    words = when.split()
    if words[0] == "probe" and len(words) == 4 and words[2] == "=":
        value = device.probed
        for key in words[1].split("."):
            value = value[int(key) if key.isdecimal() else key]
        return json.dumps(value) == words[3]
    if words[0] == "native" and len(words) == 4 and words[2] == ">":
        return int(device.native[words[1]]) > int(words[3])
    raise ValueError(f"not a cause: {when}")


def judge(found, lists, device, carried):
    """What is wrong, a line each: differences without an entry, entries without a difference.

    `carried`: the extensions that the protocol has an encoding for.
    """
    wrong = []
    explained = {path for path, (_, guest) in found.items() if path.startswith("extension.") and
                 guest is None and path.removeprefix("extension.") not in carried}
    mesa = re.search(r"Mesa (\S+)", device.guest["VkPhysicalDeviceDriverProperties.driverInfo"])
    for kind, entry in [(kind, one) for kind in ("venus", "pearvisor") for one in lists[kind]]:
        if not mesa[1].startswith(entry.get("mesa", "")) or \
                not device.said("driverName").startswith(entry.get("driver", "")) or \
                f"Mesa {entry.get('host', '')}" not in f"{device.said('driverInfo')} Mesa ":
            continue
        if kind == "pearvisor" and not is_cause_there(entry["when"], device):
            wrong.append(f"the cause is not there: {entry['when']} ({entry['why']})")
            continue
        for pattern in entry["what"]:
            matches = [path for path in fnmatch.filter(found, pattern)
                       if found[path][1] == entry.get("guest", found[path][1])]
            explained.update(matches)
            if not matches and (not pattern.startswith("extension.") or
                                fnmatch.filter(device.native, pattern)):
                wrong.append(f"no difference bears this out: {pattern} ({entry['why']})")
    wrong += [f"{path}: natively {found[path][0]}, through PearVisor {found[path][1]}"
              for path in sorted(set(found) - explained)]
    return wrong


class Judgement(unittest.TestCase):
    """The comparison itself, on devices that are made up."""

    XML = """<registry><types><type name="VkOldEXT" alias="VkOld"/></types>
        <feature name="VK_VERSION_1_1" number="1.1"><require><type name="VkOld"/></require>
        </feature>
        <extensions><extension name="VK_EXT_old" number="7"><require>
        <type name="VkOldEXT"/></require></extension></extensions></registry>"""
    LISTS = {"venus": [{"what": ["VkOld.name"], "why": "a name"}],
             "pearvisor": [{"what": ["VkOld.size"], "why": "a size", "driver": "some",
                            "when": "probe sparse.works = false"}]}

    def setUp(self):
        path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()), "vk.xml")
        path.write_text(self.XML, encoding="utf-8")
        self.registry = Registry(path)

    def verdict(self, *, lists=None, works=False, version=(1, 1), **guest):
        native = {VERSION: str(1 << 22 | 1 << 12), "VkOld.name": "a", "VkOld.size": "1",
                  "VkOld.other": "x", "VkPhysicalDeviceDriverProperties.driverName": "some"}
        seen = dict(native, **{VERSION: str(version[0] << 22 | version[1] << 12),
                               "VkPhysicalDeviceDriverProperties.driverInfo": "Mesa 25.0.7"})
        seen.update({f"VkOld.{key}": value for key, value in guest.items()})
        found = differences(self.registry, native, seen)
        found.pop(VERSION, None)
        return judge(found, lists or self.LISTS,
                     Device(native, seen, {"sparse": {"works": works}}), {"VK_EXT_new"})

    def test_what_is_listed_passes(self):
        self.assertEqual(self.verdict(name="b", size="0"), [])

    def test_what_is_not_listed_fails(self):
        self.assertEqual(self.verdict(name="b", size="0", other="y"),
                         ["VkOld.other: natively x, through PearVisor y"])

    def test_an_entry_without_a_difference_fails(self):
        self.assertEqual(self.verdict(name="b"),
                         ["no difference bears this out: VkOld.size (a size)"])

    def test_a_rule_without_its_cause_fails(self):
        self.assertEqual(len(self.verdict(name="b", size="0", works=True)), 2)

    def test_what_one_side_does_not_know_is_not_compared(self):
        nothing = {"venus": [], "pearvisor": []}
        self.assertEqual(self.verdict(lists=nothing, version=(1, 0), other="y"), [])
        self.assertNotEqual(self.verdict(lists=nothing, other="y"), [])

    def test_what_an_extension_brings_is_compared_where_both_have_it(self):
        old = {VERSION: str(1 << 22), "extension.VK_EXT_old": "1"}
        for guest, compared in ((old, True), ({VERSION: str(1 << 22)}, False)):
            found = differences(self.registry, dict(old, **{"VkOld.other": "x"}),
                                dict(guest, **{"VkOld.other": "y"}))
            self.assertEqual("VkOld.other" in found, compared)

    def test_an_extension_that_cannot_be_carried_needs_no_entry(self):
        for name, wrong in (("VK_EXT_new", 1), ("VK_EXT_unknown", 0)):
            seen = {"VkPhysicalDeviceDriverProperties.driverInfo": "Mesa 25.0.7"}
            device = Device({}, seen, {})
            self.assertEqual(len(judge({f"extension.{name}": ("1", None)},
                                       {"venus": [], "pearvisor": []}, device, {"VK_EXT_new"})),
                             wrong)

    def test_entries_of_other_versions_and_drivers_do_not_count(self):
        lists = {"venus": [dict(self.LISTS["venus"][0], mesa="26")],
                 "pearvisor": [dict(self.LISTS["pearvisor"][0], driver="other")]}
        self.assertEqual(self.verdict(lists=lists), [])
        self.assertEqual(len(self.verdict(lists=lists, name="b", size="0")), 2)


class Capabilities(unittest.TestCase):
    def answers(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        return sides.read_answers(result.stdout)

    def test_device_is_the_same_but_for_the_lists(self):
        program, reader = os.environ["PV_TEST_PROGRAM"], os.environ["PV_TEST_CAPABILITIES"]
        native = self.answers(sides.on_host(reader, timeout_s=TIMEOUT_S))
        guest = self.answers(sides.in_guest(reader, timeout_s=TIMEOUT_S))
        doctor = sides.run(sides.within(sides.HOST, program, "doctor", "--json"),
                           TIMEOUT_S)  # may have other complaints
        gpus = {gpu["name"]: gpu for gpu in json.loads(doctor.stdout)["gpus"]}
        probed = gpus[native["VkPhysicalDeviceProperties2.properties.deviceName"]]
        lists = tomllib.loads((HERE / "differences.toml").read_text(encoding="utf-8"))
        registry = Registry(os.environ["PV_VK_XML"])
        found = differences(registry, native, guest)
        both = [path for path in native.keys() & guest.keys() if path.startswith("extension.") or
                registry.has(native, path.split(".")[0]) and
                registry.has(guest, path.split(".")[0])]
        print(f"{len(both)} answers that both sides know, {len(found)} differences",
              file=sys.stderr)
        self.assertGreater(len(both), 2500)
        carried = json.loads(PROTOCOL.read_text(encoding="utf-8"))["extensions"]
        wrong = judge(found, lists, Device(native, guest, probed), carried)
        self.assertFalse(wrong, "\n".join(["", *wrong]))


if __name__ == "__main__":
    if sides.why_not():
        print(f"capabilities_test: skipped: {sides.why_not()}")
        sys.exit(sides.SKIPPED)
    unittest.main()
