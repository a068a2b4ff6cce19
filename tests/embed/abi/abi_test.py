#!/usr/bin/env python3
"""The library exports what its headers declare and its map lists, laid out as it was.

PV_TEST_LIBRARY names libpearvisor.so, PV_TEST_MAP the linker's map, PV_TEST_CC the compiler.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import abi

LIBRARY = os.environ["PV_TEST_LIBRARY"]
MAP = pathlib.Path(os.environ["PV_TEST_MAP"])


def exported(library):
    text = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True,
                          check=True).stdout
    return {line.split()[-1] for line in text.splitlines()}


def listed(text):
    return set(re.findall(r"^ +(pv_\w+);", text, re.MULTILINE))


def disagreements(sides):
    """A line for each name that one of the sides, {what: names}, lacks."""
    lines = []
    for name in sorted(set().union(*sides.values())):
        having = [side for side, names in sides.items() if name in names]
        lacking = [side for side, names in sides.items() if name not in names]
        if lacking:
            lines.append(f"{name}: in {' and '.join(having)}, not in {' nor '.join(lacking)}")
    return lines


class Symbols(unittest.TestCase):
    def test_headers_map_and_library_name_the_same_functions(self):
        sides = {
            "include/pearvisor/": set(abi.collect(abi.INCLUDE).functions),
            "src/pearvisor.map": listed(MAP.read_text(encoding="utf-8")),
            "libpearvisor.so (it lacks what is not defined, or has no PV_API)": exported(LIBRARY),
        }
        lines = disagreements(sides)
        self.assertFalse(lines, "\n" + "\n".join(lines))
        self.assertIn("pv_venus_init", sides["src/pearvisor.map"])

    def test_map_lists_names_one_by_one_in_order(self):
        text = MAP.read_text(encoding="utf-8")
        names = re.findall(r"^ +(pv_\w+);", text, re.MULTILINE)
        self.assertEqual(names, sorted(names))
        self.assertNotIn("*", text.replace("local: *;", ""))

    def test_a_name_that_is_missing_somewhere_is_told(self):
        self.assertEqual(disagreements({"a": {"x", "y"}, "b": {"x"}, "c": {"x", "z"}}),
                         ["y: in a, not in b nor c", "z: in c, not in a nor b"])
        self.assertEqual(disagreements({"a": {"x"}, "b": {"x"}}), [])


@unittest.skipUnless(abi.LIST.exists(), f"no list for this architecture ({abi.LIST.name})")
class Layout(unittest.TestCase):
    def test_layout_is_the_one_that_is_recorded(self):
        recorded = abi.LIST.read_text(encoding="utf-8").splitlines()
        now = abi.describe()
        self.assertTrue(recorded == now, "\n" + abi.message(*abi.judge(recorded, now)))

    def test_every_sort_of_promise_is_recorded(self):
        recorded = abi.LIST.read_text(encoding="utf-8").splitlines()
        for line in ("struct pv_venus_stats: 16 bytes",
                     "member pv_venus_stats.errors: at 8, 4 bytes, uint32_t",
                     "enumerator PV_BUSY = 7",
                     "function pv_venus_ring_notify: enum pv_result (struct pv_venus_ring *)"):
            self.assertIn(line, recorded)


class Judgement(unittest.TestCase):
    """Changes of the headers' text, and what is said of them."""

    def changed(self, header, before, after):
        """(breaks, adds) after a change of one place of a header."""
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(abi.INCLUDE / "pearvisor", pathlib.Path(folder, "pearvisor"))
            path = pathlib.Path(folder, "pearvisor", header)
            text = path.read_text(encoding="utf-8")
            self.assertEqual(text.count(before), 1, before)
            path.write_text(text.replace(before, after), encoding="utf-8")
            return abi.judge(self.now, abi.describe(pathlib.Path(folder)))

    @classmethod
    def setUpClass(cls):
        cls.now = abi.describe()

    def test_nothing_has_changed(self):
        self.assertEqual(abi.judge(self.now, self.now), ([], []))

    def test_a_comment_and_a_parameters_name_bind_nobody(self):
        self.assertEqual(self.changed("venus.h", "pv_venus_cleanup(struct pv_context *context);",
                                      "pv_venus_cleanup(struct pv_context *other); /* ! */"),
                         ([], []))

    def test_members_that_change_places_break(self):
        breaks, _ = self.changed("stats.h", "uint64_t sleeps; ", "uint64_t naps; ")
        self.assertTrue(any("pv_stats.sleeps" in line for line in breaks))
        breaks, _ = self.changed("gpu.h", "uint32_t x, y, width, height;",
                                 "uint32_t y, x, width, height;")
        self.assertIn("- member pv_gpu_rect.x: at 0, 4 bytes, uint32_t", breaks)
        self.assertIn("+ member pv_gpu_rect.x: at 4, 4 bytes, uint32_t", breaks)

    def test_a_member_of_another_type_breaks_even_in_the_same_place(self):
        breaks, _ = self.changed("context.h", "int fd;                  /* the caller's",
                                 "uint32_t fd;                  /* the caller's")
        self.assertEqual(len(breaks), 2)

    def test_a_member_at_the_end_of_a_versioned_structure_only_adds(self):
        breaks, adds = self.changed("stats.h", "uint64_t latency[PV_STATS_LATENCY_BUCKETS];",
                                    "uint64_t latency[PV_STATS_LATENCY_BUCKETS]; uint64_t more;")
        self.assertEqual(breaks, [])
        self.assertEqual(len(adds), 2) # its size, and the member
        self.assertIn("new minor version", abi.message(breaks, adds))

    def test_a_member_at_the_end_of_one_without_struct_size_breaks(self):
        breaks, adds = self.changed("venus.h", "uint32_t padding;          /* 0 */",
                                    "uint32_t padding; uint32_t more;")
        self.assertEqual(adds, [])
        self.assertEqual(len(breaks), 3)
        self.assertIn("new major version", abi.message(breaks, adds).replace("\n", " "))

    def test_an_enumerator_in_between_breaks_and_one_behind_adds(self):
        breaks, _ = self.changed("result.h", "PV_CLOSED, ", "PV_LATER, PV_CLOSED, ")
        self.assertIn("- enumerator PV_BUSY = 7", breaks)
        breaks, adds = self.changed("result.h", "PV_BUSY, ", "PV_BUSY, PV_LATER, ")
        self.assertEqual((breaks, adds), ([], ["+ enumerator PV_LATER = 8"]))

    def test_a_function_of_another_type_breaks_and_a_new_one_adds(self):
        breaks, adds = self.changed("venus.h", "PV_API double pv_venus_ring_utilization(",
                                    "PV_API float pv_venus_ring_utilization(")
        self.assertEqual((len(breaks), adds), (2, []))
        breaks, adds = self.changed("venus.h", "PV_API double pv_venus_ring_utilization(",
                                    "PV_API int pv_more(int a);\n"
                                    "PV_API double pv_venus_ring_utilization(")
        self.assertEqual((breaks, adds), ([], ["+ function pv_more: int (int)"]))


if __name__ == "__main__":
    unittest.main()
