#!/usr/bin/env python3
"""tools/test-summary.py sums logs, and never takes a build that ran nothing for a success."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Summary(unittest.TestCase):
    def output(self, *builds, unfinished=()):
        """Exit status and lines for builds, each a list of results, or None for no log."""
        with tempfile.TemporaryDirectory() as root:
            logs = [pathlib.Path(root, f"{number}.json") for number in range(len(builds))]
            for log, results in zip(logs, builds):
                if results is None:
                    continue
                lines = (json.dumps({"name": f"test {number}", "result": result})
                         for number, result in enumerate(results))
                log.write_text("\n".join(lines), encoding="utf-8")
            options = [option for what in unfinished for option in ("--unfinished", what)]
            command = [sys.executable, str(ROOT / "tools/test-summary.py"), *options,
                       *map(str, logs)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(result.stderr, "")
            return result.returncode, result.stdout.splitlines()

    def summary(self, *builds, unfinished=()):
        status, lines = self.output(*builds, unfinished=unfinished)
        return status, lines[-1]

    def test_sums_over_builds(self):
        self.assertEqual(self.summary(["OK", "SKIP"], ["OK"]),
                         (0, "2 passed, 0 failed, 1 skipped"))

    def test_failures_timeouts_and_errors_fail(self):
        self.assertEqual(self.summary(["OK", "FAIL", "TIMEOUT", "ERROR", "UNEXPECTEDPASS"]),
                         (1, "1 passed, 4 failed, 0 skipped"))

    def test_build_without_log_fails(self):
        self.assertEqual(self.summary(["OK"], None), (1, "1 passed, 1 failed, 0 skipped"))

    def test_what_time_was_lacking_for_is_named_and_fails_nothing(self):
        status, lines = self.output(["OK", "INTERRUPT"],
                                    unfinished=["0, cut off", "vm, left out"])
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed, 0 skipped"))
        self.assertEqual([line.rpartition(": ")[2] for line in lines[:-1]],
                         ["0, cut off", "vm, left out"])

    def test_lack_of_time_hides_no_failure(self):
        self.assertEqual(self.summary(["OK", "FAIL"], unfinished=["vm, left out"]),
                         (1, "1 passed, 1 failed, 0 skipped"))
        self.assertEqual(self.summary(unfinished=["library, cut off"])[0], 1)
        self.assertEqual(self.summary(["OK", "INTERRUPT"], unfinished=["1, cut off"])[0], 1)

    def test_interrupted_without_a_limit_fails(self):
        self.assertEqual(self.summary(["OK", "INTERRUPT"]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_no_test_at_all_fails(self):
        self.assertEqual(self.summary(["SKIP"])[0], 1)
        self.assertEqual(self.summary([]), (1, "0 passed, 1 failed, 0 skipped"))


if __name__ == "__main__":
    unittest.main()
