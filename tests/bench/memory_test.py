#!/usr/bin/env python3
"""bench/memory.py adds up what /proc says, and lets no goal pass that is missed."""

import contextlib
import importlib.util
import io
import pathlib
import subprocess
import sys
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "bench/memory.py"
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("memory", PROGRAM)
memory = importlib.util.module_from_spec(spec)
spec.loader.exec_module(memory)

ROLLUP = """55d0c0a4b000-7ffd6a1f2000 ---p 00000000 00:00 0                          [rollup]
Rss:                1700 kB
Pss:                 450 kB
Shared_Clean:       1500 kB
Shared_Dirty:          0 kB
Private_Clean:        80 kB
Private_Dirty:       120 kB
"""


def held(native, *contexts):
    return {key: {"private": private}
            for key, private in zip(["native", *memory.CONTEXTS], [native, *contexts])}


class Figures(unittest.TestCase):
    def test_private_is_clean_and_dirty(self):
        self.assertEqual(memory.parse_smaps(ROLLUP), {
            "private": 200 * 1024, "shared": 1500 * 1024, "total": 1700 * 1024})

    def test_mappings_one_by_one_are_summed(self):
        self.assertEqual(memory.parse_smaps(ROLLUP + ROLLUP)["private"], 400 * 1024)

    def test_a_system_that_says_nothing_is_a_problem(self):
        with self.assertRaises(memory.Problem):
            memory.parse_smaps("Name: init\n")

    def test_first_is_beyond_native_and_next_is_the_dearer_slope(self):
        cost = memory.costs(held(5e6, 8e6, 8e6 + 10 * 2e5, 8e6 + 50 * 1e5))
        self.assertEqual(cost, {"first": 3e6, "next": 2e5})


class Goals(unittest.TestCase):
    def test_below_both_limits_nothing_is_wrong(self):
        self.assertEqual(memory.judge("fake", {"first": 9.99e6, "next": 0.999e6}), [])

    def test_each_limit_is_missed_when_it_is_reached(self):
        wrong = memory.judge("fake", {"first": 10e6, "next": 1e6})
        self.assertEqual(len(wrong), 2)
        self.assertIn("fake: the library with one context costs 10.00 MB", wrong[0])
        self.assertIn("fake: a further idle context costs 1.000 MB", wrong[1])

    def test_a_missed_goal_is_the_exit_status(self):
        original = memory.measure_driver, memory.os.access, sys.argv
        said = io.StringIO()
        try:
            memory.measure_driver = lambda *_: held_fully(20e6)
            memory.os.access = lambda *_: True
            sys.argv = ["memory.py", "--driver", "fake"]
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
                self.assertEqual(memory.main(), 1)
                memory.measure_driver = lambda *_: held_fully(6e6)
                self.assertEqual(memory.main(), 0)
        finally:
            memory.measure_driver, memory.os.access, sys.argv = original
        self.assertIn("memory: fake: the library with one context costs 15.00 MB", said.getvalue())

    def test_what_is_missing_gives_one_line_and_status_2(self):
        for arguments, line in [(["--driver", "/no/icd.json"], "no driver /no/icd.json"),
                                (["--driver", "fake", "--build", "/no"], "no /no/bench/memory_")]:
            done = subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True,
                                  text=True, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, rf"\Amemory: {line}.*\n\Z")


def held_fully(first):
    """Of a native program with 5 MB, and contexts that cost nothing beside the first."""
    return {key: {"private": 5e6 if key == "native" else first, "shared": 0, "total": 0,
                  "callers": 0} for key in ["native", *memory.CONTEXTS]}


if __name__ == "__main__":
    unittest.main()
