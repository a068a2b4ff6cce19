#!/usr/bin/env python3
"""bench/instructions.py lets no case grow by more than 2 %, and says what it cannot judge."""

import contextlib
import importlib.util
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

GATE = pathlib.Path(__file__).resolve().parents[2] / "bench/instructions.py"
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("instructions", GATE)
instructions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(instructions)

BASELINE = {"gcc-12 x86_64 glibc-2.36": {"draw": 100.0, "bind": 200.0}}
NAME = "gcc-12 x86_64 glibc-2.36"


class Gate(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name, "baseline.json")

    def check(self, counted, name=NAME):
        """Exit status and output against BASELINE."""
        self.path.write_text(json.dumps(BASELINE), encoding="utf-8")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = instructions.check(counted, name, self.path)
        return status, printed.getvalue()

    def run_with(self, baseline):
        """What the program itself says to a bad baseline, before it counts anything."""
        return subprocess.run([sys.executable, str(GATE), "no-such-program", "--check",
                               "--baseline", str(baseline)],
                              capture_output=True, text=True, check=False)

    def test_three_percent_more_fails_and_names_the_case(self):
        status, text = self.check({"draw": 103.0, "bind": 200.0})
        self.assertEqual(status, 1)
        self.assertIn("draw: baseline 100.0 instructions, now 103.0 (+3.0 %", text)
        self.assertNotIn("bind:", text)

    def test_one_percent_more_passes(self):
        self.assertEqual(self.check({"draw": 101.0, "bind": 202.0})[0], 0)

    def test_fewer_pass_and_are_told(self):
        status, text = self.check({"draw": 90.0, "bind": 200.0})
        self.assertEqual(status, 0)
        self.assertIn("cheaper than the baseline of gcc-12 x86_64 glibc-2.36: draw;", text)

    def test_missing_case_fails(self):
        status, text = self.check({"draw": 100.0})
        self.assertEqual(status, 1)
        self.assertIn("bind: baseline 200.0 instructions, now not counted", text)

    def test_case_without_baseline_fails(self):
        status, text = self.check({"draw": 100.0, "bind": 200.0, "new": 5.0})
        self.assertEqual(status, 1)
        self.assertIn("new: no baseline, now 5.0", text)

    def test_unknown_compiler_is_reported_and_does_not_fail(self):
        status, text = self.check({"draw": 999.0}, "clang-19 x86_64 glibc-2.41")
        self.assertEqual(status, instructions.SKIPPED)
        self.assertEqual(text,
                         "no baseline for clang-19 x86_64 glibc-2.41: counted, not judged\n")

    def test_update_keeps_what_other_compilers_have(self):
        self.check({"draw": 100.0, "bind": 200.0})
        with contextlib.redirect_stdout(io.StringIO()):
            instructions.update({"draw": 7.04}, "clang-19 x86_64", self.path)
        self.assertEqual(instructions.read_baselines(self.path),
                         {**BASELINE, "clang-19 x86_64": {"draw": 7.0}})

    @unittest.skipUnless(shutil.which("valgrind"), "no valgrind")
    def test_bad_baselines_give_one_line(self):
        for text in ["{", "[]", '{"gcc": 3}', '{"gcc": {"draw": "many"}}', '{"gcc": {"draw": 0}}']:
            self.path.write_text(text, encoding="utf-8")
            done = self.run_with(self.path)
            self.assertEqual(done.returncode, 1, text)
            self.assertRegex(done.stderr, r"\Ainstructions: .*baseline\.json: not .*\n\Z")

    @unittest.skipUnless(shutil.which("valgrind"), "no valgrind")
    def test_missing_baseline_gives_one_line(self):
        done = self.run_with(self.path)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Ainstructions: .*baseline\.json: No such file.*\n\Z")


if __name__ == "__main__":
    unittest.main()
