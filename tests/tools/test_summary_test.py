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
    def summary(self, *builds):
        """Exit status and last line for builds, each a list of results, or None for no log."""
        with tempfile.TemporaryDirectory() as root:
            folders = [pathlib.Path(root, str(number)) for number in range(len(builds))]
            for folder, results in zip(folders, builds):
                if results is None:
                    continue
                (folder / "meson-logs").mkdir(parents=True)
                lines = (json.dumps({"name": f"test {number}", "result": result})
                         for number, result in enumerate(results))
                (folder / "meson-logs/testlog.json").write_text("\n".join(lines), encoding="utf-8")
            command = [sys.executable, str(ROOT / "tools/test-summary.py"), *map(str, folders)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(result.stderr, "")
            return result.returncode, result.stdout.splitlines()[-1]

    def test_sums_over_builds(self):
        self.assertEqual(self.summary(["OK", "SKIP"], ["OK"]),
                         (0, "2 passed, 0 failed, 1 skipped"))

    def test_failures_timeouts_and_errors_fail(self):
        self.assertEqual(self.summary(["OK", "FAIL", "TIMEOUT", "ERROR", "UNEXPECTEDPASS"]),
                         (1, "1 passed, 4 failed, 0 skipped"))

    def test_build_without_log_fails(self):
        self.assertEqual(self.summary(["OK"], None), (1, "1 passed, 1 failed, 0 skipped"))

    def test_no_test_at_all_fails(self):
        self.assertEqual(self.summary(["SKIP"])[0], 1)
        self.assertEqual(self.summary([]), (1, "0 passed, 1 failed, 0 skipped"))


if __name__ == "__main__":
    unittest.main()
