#!/usr/bin/env python3
"""tools/tidy.py finds each kind of violation, names its place, and accepts what keeps the rules."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Tidy(unittest.TestCase):
    def check(self, files):
        """Exit status and output lines of tidy.py in a folder with these files."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            command = [sys.executable, str(ROOT / "tools/tidy.py"), folder]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(result.stderr, "")
            return result.returncode, result.stdout.splitlines()

    def assert_clean(self, files):
        self.assertEqual(self.check(files), (0, []))

    def assert_violation(self, files, line):
        self.assertEqual(self.check(files), (1, [line]))

    def test_lower_folder_may_be_included(self):
        self.assert_clean({"src/ring/a.c": '#include "base/log.h"\n#include <stdio.h>\n',
                           "src/base/log.h": ""})

    def test_higher_folder_is_refused(self):
        self.assert_violation({"src/base/a.c": '\n#include "ring/ring.h"\n', "src/ring/ring.h": ""},
                              "src/base/a.c:2: base/ may not include ring/ (ring/ring.h)")

    def test_ring_and_timeline_do_not_know_each_other(self):
        self.assert_violation({"src/ring/a.c": '#include "timeline/timeline.h"\n'},
                              "src/ring/a.c:1: ring/ may not include timeline/ "
                              "(timeline/timeline.h)")

    def test_relative_path_does_not_hide_a_higher_folder(self):
        code, lines = self.check({"src/base/a.c": '#include "../api/pv.h"\n', "src/api/pv.h": ""})
        self.assertEqual(code, 1)
        self.assertIn("base/ may not include api/", lines[0])

    def test_front_uses_the_public_api_base_and_isolate_only(self):
        self.assert_clean({"src/front/vtest/a.c": '#include <pearvisor/renderer.h>\n'
                                                  '#include "base/fd.h"\n'
                                                  '#include "isolate/messages.h"\n'
                                                  '#include "front/context/context.h"\n'})
        self.assert_violation({"src/front/vtest/a.c": '#include "render/context.h"\n'},
                              "src/front/vtest/a.c:1: front/vtest/ may not include render/ "
                              "(render/context.h)")
        self.assert_violation({"src/front/context/a.c": '#include "front/vtest/vtest.h"\n'},
                              "src/front/context/a.c:1: front/context/ may not include "
                              "front/vtest/ (front/vtest/vtest.h)")

    def test_long_function_is_named(self):
        body = "int\nlong_one(void)\n{\n" + "    x();\n" * 71 + "}\n"
        self.assert_violation({"src/base/a.c": body},
                              "src/base/a.c:3: long_one() has 71 lines, more than 70")

    def test_long_file_and_long_line(self):
        self.assert_violation({"src/base/a.c": "\n" * 601},
                              "src/base/a.c:601: file has 601 lines, more than 600")
        self.assert_violation({"src/base/a.c": "/" * 101 + "\n"},
                              "src/base/a.c:1: line has 101 columns, more than 100")

    def test_public_headers_teach(self):
        taught = "/* what\n\n * and why */\n" * 4 + "int a; /* units */\n" * 4 + "int b;\n" * 18
        self.assert_clean({"include/pearvisor/a.h": taught, "include/pearvisor/b.h": "int b;\n",
                           "src/base/a.h": "int b;\n" * 30})
        self.assert_violation({"include/pearvisor/a.h": taught + "int b;\n"},
                              "include/pearvisor/a.h:1: 38 % of the lines have a comment, "
                              "fewer than 40 %")

    def test_notes_tabs_and_machine_paths(self):
        note = "TO" "DO"
        self.assert_violation({"src/base/a.c": f"/* {note} */\n"},
                              f"src/base/a.c:1: note to self: {note}")
        self.assert_violation({"src/base/a.c": "\tint a;\n"}, "src/base/a.c:1: tab")
        path = "/ho" "me/someone"
        self.assert_violation({"README.md": f"see {path}\n"},
                              f"README.md:1: path of one machine: see {path}")


if __name__ == "__main__":
    unittest.main()
