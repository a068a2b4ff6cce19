#!/usr/bin/env python3
"""tools/coverage knows what has run from what was only decoded, and judges the list."""

import importlib.machinery
import importlib.util
import json
import pathlib
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/coverage"
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_loader(
    "coverage", importlib.machinery.SourceFileLoader("coverage", str(TOOL)))
coverage = importlib.util.module_from_spec(spec)
spec.loader.exec_module(coverage)

EXEC = """\
void pv_exec_vkDraw(struct pv_exec *x)
{
    call(a.commands);
}
void pv_exec_vkWait(struct pv_exec *x)
{
    a.ret = pv_handle_vkWait(x, &a);
}
"""
COMMANDS = [{"number": 1, "name": "vkDraw", "fate": "generated"},
            {"number": 2, "name": "vkWait", "fate": "handled"},
            {"number": 3, "name": "vkNone", "fate": "refused"}]


def function(name, first, last, count):
    return {"name": name, "start_line": first, "end_line": last, "execution_count": count}


def line(number, count):
    return {"line_number": number, "count": count}


class Coverage(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "exec_one.gen.c").write_text(EXEC, encoding="utf-8")

    def report(self, drawn, waited, commands=(), functions=()):
        """Each is whether what executes the command has run; both were decoded."""
        objects = [
            {"file": "exec_one.gen.c",
             "functions": [function("pv_exec_vkDraw", 1, 4, 1),
                           function("pv_exec_vkWait", 5, 8, 1)],
             "lines": [line(1, 1), line(3, drawn), line(5, 1), line(7, waited)]},
            {"file": "src/render/wait.c", "functions": [function("wait", 1, 3, waited)],
             "lines": [line(1, waited), line(2, waited)]},
        ]
        text = json.dumps({"current_working_directory": str(self.root), "files": objects})
        return coverage.report(COMMANDS, coverage.read_reports(text + "\n", self.root),
                               {"commands": dict.fromkeys(commands, "why"),
                                "functions": dict.fromkeys(functions, "why")}, self.root)

    def test_all_that_has_run_is_reached(self):
        said, tables, wrong = self.report(1, 1)
        self.assertEqual(wrong, [])
        self.assertEqual(len(said), 2)
        self.assertIn("| by generated code | 1 | 1 |", tables)
        self.assertIn("| wait.c | 2 | 2 | 1 | 1 |", tables)

    def test_what_was_only_decoded_is_not_reached(self):
        self.assertEqual(len(self.report(0, 1)[2]), 1)
        self.assertEqual(len(self.report(1, 0)[2]), 2)  # and the function that nobody calls

    def test_the_list_excuses_what_is_not_reached(self):
        _, tables, wrong = self.report(1, 0, ["vkWait"], ["wait.c: wait"])
        self.assertEqual(wrong, [])
        self.assertIn("| vkWait | why |", tables)

    def test_the_list_may_not_name_what_is_reached_or_not_there(self):
        wrong = self.report(1, 1, ["vkDraw", "vkGone"], ["wait.c: wait"])[2]
        self.assertEqual(len(wrong), 3)

    def test_objects_that_share_a_file_are_summed(self):
        text = "".join(json.dumps({"current_working_directory": "/a/b", "files": [
            {"file": "../c.h", "functions": [function("f", 1, 2, count)],
             "lines": [line(1, count)]}]}) + "\n" for count in (0, 3))
        source = coverage.read_reports(text, "/a")["c.h"]
        self.assertEqual((source.functions["f"], source.lines[1]), (3, 3))


if __name__ == "__main__":
    unittest.main()
