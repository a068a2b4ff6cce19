#!/usr/bin/env python3
"""bench/suite: medians, paired ratios, verdicts and the page follow from the figures alone."""

import pathlib
import sys
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from suite import decode, goals, page, plan, sides, tables  # noqa: E402
from suite.figures import Figures, order  # noqa: E402


def filled(unit, **values_of_sides):
    """Figures of one name, "x", with a value for each repetition."""
    figures = Figures()
    for side, values in values_of_sides.items():
        for repetition, value in enumerate(values):
            if value is not None:
                add(figures, side, "x", value, unit, repetition)
    return figures


def add(figures, side, name, value, unit="us", repetition=0, **more):
    figures.add(side, repetition, {"name": name, "value": value, "unit": unit, "how": "so", **more})


def verdict_of(found, name):
    return {goal.name: goal for goal in found}[name].verdict()


class Ratios(unittest.TestCase):
    def test_a_ratio_is_the_median_of_pairs_not_the_ratio_of_medians(self):
        figures = filled("us", ours=[10, 40, 3], native=[5, 10, 3])
        self.assertEqual(figures.ratios("ours", "native", "x"), [2, 4, 1])
        self.assertEqual(figures.ratio("ours", "native", "x"), 2)

    def test_a_repetition_without_its_partner_makes_no_pair(self):
        figures = filled("us", ours=[10, 99, 30], native=[5, None, 10])
        self.assertEqual(figures.ratios("ours", "native", "x"), [2, 3])

    def test_without_pairs_there_is_no_ratio(self):
        figures = filled("us", ours=[10, None], native=[None, 10])
        self.assertIsNone(figures.ratio("ours", "native", "x"))
        self.assertIsNone(figures.speed("ours", "native", "x"))

    def test_a_native_zero_makes_no_pair(self):
        self.assertEqual(filled("us", ours=[1], native=[0]).ratios("ours", "native", "x"), [])

    def test_half_the_time_and_twice_the_rate_are_both_twice_as_fast(self):
        self.assertEqual(filled("us", a=[1], b=[2]).speed("a", "b", "x"), 2)
        self.assertEqual(filled("frames/s", a=[2], b=[1]).speed("a", "b", "x"), 2)

    def test_the_best_is_the_least_time_and_the_most_of_a_rate(self):
        self.assertEqual(filled("us", a=[3, 1, 2]).best("a", "x"), 1)
        self.assertEqual(filled("GB/s", a=[3, 1, 2]).best("a", "x"), 3)

    def test_sides_alternate(self):
        self.assertEqual([order("abc", n) for n in range(3)],
                         [["a", "b", "c"], ["c", "b", "a"], ["a", "b", "c"]])


class Goals(unittest.TestCase):
    def test_a_limit_is_met_up_to_and_with_itself(self):
        self.assertEqual(goals.at_most("g", 5, 5, "us", "").verdict(), "met")
        self.assertEqual(goals.at_most("g", 5.1, 5, "us", "").verdict(), "missed")
        self.assertEqual(goals.at_least("g", 0.6, 0.6, "", "").verdict(), "met")
        self.assertEqual(goals.at_least("g", 0.59, 0.6, "", "").verdict(), "missed")

    def test_what_was_not_measured_is_neither_met_nor_missed(self):
        for found in (goals.decode_goals([]), goals.latency_goals(Figures()),
                      goals.throughput_goals(Figures()), goals.poll_goals(Figures()),
                      goals.cpu_goals({}), goals.storm_goals(Figures()),
                      goals.start_goals(Figures()), goals.waiting_goals(Figures(), ["1 core"])):
            for goal in found:
                self.assertIsNone(goal.met, goal.name)
                self.assertEqual(goal.measured, "not measured", goal.name)

    def test_decoded_cases_are_found_by_name_and_unit(self):
        results = [{"case": "draw", "value": 4.0, "unit": "ns/command"},
                   {"case": "draw", "value": 91.0, "unit": "instructions/command"},
                   {"case": "draw, 2 rings", "value": 1.02, "unit": "times one ring"},
                   {"case": "bind_1_set, 2 rings", "value": 1.2, "unit": "times one ring"},
                   {"case": "worst insert, repeatable", "value": 15000.0, "unit": "ns"},
                   {"case": "worst insert", "value": 900.0, "unit": "us"}]
        found = goals.decode_goals(results)
        self.assertEqual(verdict_of(found, "vkCmdDraw, time"), "met")
        self.assertEqual(verdict_of(found, "vkCmdDraw, instructions"), "missed")
        self.assertEqual(verdict_of(found, "two rings against one"), "missed")
        self.assertEqual(verdict_of(found, "longest insert among 10⁶ objects"), "met")
        self.assertEqual(verdict_of(found, "the same, interrupts included"), "reported")

    def test_the_wait_after_a_pause_may_cost_native_and_one_and_a_half_wakes(self):
        figures = Figures()
        add(figures, goals.NATIVE, "submit.empty.2ms", 10)
        add(figures, goals.NATIVE, "wake.futex.2ms", 4)
        for ours, verdict in ((16, "met"), (16.1, "missed")):
            add(figures, goals.TUNED, "submit.empty.2ms", ours)
            self.assertEqual(verdict_of(goals.latency_goals(figures),
                                        "submit and wait, tuned, 2 ms apart"), verdict)

    def test_each_kind_of_object_is_judged_by_itself(self):
        figures = Figures()
        for kind, rate in (("buffer", 90), ("fence", 30)):
            add(figures, goals.NATIVE, f"create.{kind}", 100, "objects/s")
            add(figures, goals.OURS, f"create.{kind}", rate, "objects/s")
        found = goals.throughput_goals(figures)
        self.assertEqual(verdict_of(found, "buffers created and destroyed"), "met")
        self.assertEqual(verdict_of(found, "fences created and destroyed"), "missed")
        self.assertEqual(verdict_of(found, "samplers created and destroyed"), "not measured")

    def test_draws_are_judged_beside_paced_compiles_and_only_told_of_beside_a_flood(self):
        figures = Figures()
        for who, rate in (("none", 100), ("own_ring", 90), ("main_ring", 89), ("flood", 50)):
            add(figures, goals.OURS, f"storm.{who}.draws", rate, "commands/s")
        found = goals.storm_goals(figures)
        self.assertEqual(verdict_of(found, "draws during compiles on a ring of its own"), "met")
        self.assertEqual(verdict_of(found, "draws during compiles on the main ring"), "missed")
        self.assertEqual(verdict_of(found, "draws while compiles flood the main ring"), "reported")

    def test_one_poll_a_frame_may_take_what_another_call_takes(self):
        figures = Figures()
        for repetition, p99 in enumerate((40, 60, 50)):
            add(figures, goals.TUNED, "poll.frame.control", 9, repetition=repetition, p99=p99)
        for once, verdict in ((60, "met"), (61, "missed")):
            add(figures, goals.TUNED, "poll.frame", 9, p99=once)
            self.assertEqual(goals.poll_goals(figures)[0].verdict(), verdict)

    def test_time_at_sixty_frames_is_what_native_does_not_need(self):
        def window(part, cpu_ms):
            return {"seconds": 1.0, part: [
                {"name": "t", "role": "worker", "cpu_ms": cpu_ms, "switches": 1},
                {"name": "t", "role": "spare", "cpu_ms": 500, "switches": 1}]}

        windows = {(goals.NATIVE, "fps"): [window("client", 20)],
                   (goals.OURS, "fps"): [window("server", 90), window("server", 49)]}
        self.assertEqual(goals.cpu_goals(windows)[0].verdict(), "met")
        windows[goals.OURS, "fps"].pop()
        self.assertEqual(goals.cpu_goals(windows)[0].verdict(), "missed")

    def test_only_the_monitor_may_wake_while_a_client_is_idle(self):
        def idle(*threads):
            window = {"seconds": 7.0, "server": [
                {"name": name, "role": "worker", "cpu_ms": 0.1, "switches": switches}
                for name, switches in threads]}
            return goals.cpu_goals({(goals.OURS, "idle"): [window]})

        name = "an idle client wakes nothing but ALIVE's thread"
        self.assertEqual(verdict_of(idle(("pv-monitor", 5), ("pv-ring", 0)), name), "met")
        self.assertEqual(verdict_of(idle(("pv-monitor", 5), ("pv-ring", 1)), name), "missed")

    def test_slower_than_sleeping_takes_both_the_pairs_and_the_bests(self):
        cases = (([100, 100, 100], [100, 96, 100], {}),     # within 5 %
                 ([90, 90, 90], [100, 100, 100], {"x": 0.9}),
                 ([90, 90, 101], [100, 100, 100], {}),      # the best is as good: noise
                 ([110, 110, 90], [100, 100, 100], {}))     # only one pair is slower
        for ours, theirs, slower in cases:
            figures = filled("frames/s", adaptive=ours, sleep=theirs)
            self.assertEqual(goals.slower_than_sleeping(figures, "adaptive", "sleep"), slower)


class Tools(unittest.TestCase):
    def test_a_report_for_machines_is_read(self):
        found = decode.parse('{"results": [{"case": "draw", "value": 4, "unit": "ns/command"}]}')
        self.assertEqual(found[0]["case"], "draw")

    def test_lines_for_people_are_read(self):
        found = decode.parse("draw    5.61 ns/command  100 commands\nnonsense\n"
                             "draw   125.0 instructions/command\n")
        self.assertEqual([(r["case"], r["value"], r["unit"]) for r in found],
                         [("draw", 5.61, "ns/command"), ("draw", 125.0, "instructions/command")])

    def test_a_tool_that_fails_is_reported_with_its_last_line(self):
        program = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
        self.assertEqual(decode.run_tool(program, 30), ([], "no such thing"))


CLIENT = """#!%s
import json, sys, time
print(json.dumps({"mark": "begin", "name": "w"}), flush=True)
sys.stdin.readline()
time.sleep(0.1)
print(json.dumps({"mark": "end", "name": "w"}), flush=True)
sys.stdin.readline()
print(json.dumps({"name": "x", "value": 1, "unit": "us", "count": 1, "how": "so"}), flush=True)
if sys.argv[1] == "bad":
    sys.exit("bad: it broke")
if sys.argv[1] == "slow":
    time.sleep(60)
if sys.argv[1] == "rubbish":
    print("{")
"""


class Clients(unittest.TestCase):
    def setUp(self):
        import tempfile
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.client = pathlib.Path(folder.name, "client")
        self.client.write_text(CLIENT % sys.executable, encoding="utf-8")
        self.client.chmod(0o755)

    def run_client(self, name, limit_s=30):
        return sides.run_client(str(self.client), sides.Side("native", {}), name, 1, limit_s)

    def test_figures_and_what_threads_did_between_marks_are_kept(self):
        run = self.run_client("good")
        self.assertIsNone(run.error)
        self.assertEqual([line["name"] for line in run.figures], ["x"])
        self.assertGreater(run.windows["w"]["seconds"], 0.05)
        self.assertEqual(len(run.windows["w"]["client"]), 1)

    def test_a_process_below_the_server_without_our_threads_is_a_spare(self):
        def thread(process, name):
            return {"name": name, "process": process, "cpu_ns": 0, "switches": 0}

        after = {1: thread(1, "pearvisor"), 2: thread(2, "exe"), 3: thread(2, "pv-ring"),
                 4: thread(4, "exe")}
        self.assertEqual([t["role"] for t in sides.difference({}, after, 1)],
                         ["main", "worker", "worker", "spare"])
        del after[3]
        self.assertEqual([t["role"] for t in sides.difference({}, after, 1)],
                         ["main", "worker", "worker"])

    def test_a_client_that_fails_is_an_error_with_its_line(self):
        run = self.run_client("bad")
        self.assertEqual((run.error, len(run.figures)), ("bad: it broke", 1))

    def test_a_client_that_hangs_is_stopped(self):
        self.assertEqual(self.run_client("slow", limit_s=1).error, "took longer than 1 s")

    def test_a_line_that_is_no_json_is_an_error(self):
        self.assertIn("unreadable line", self.run_client("rubbish").error)


class Reports(unittest.TestCase):
    def results(self):
        figures = Figures()
        for side, factor in ((goals.NATIVE, 1), (goals.OURS, 2)):
            for name, _ in page.PAUSES:
                add(figures, side, name, factor, p50=factor, p99=9 * factor, min=factor)
            add(figures, side, "frame.1080p", 60 / factor, "frames/s")
        return types.SimpleNamespace(
            figures=figures, waiting=Figures(), windows={}, core_counts=[], notes=[],
            failures=["a <failure>"], machine={"processor": "one & only"},
            decode=[{"case": "draw", "value": 4.0, "unit": "ns/command"}])

    def test_the_page_needs_nothing_else_and_shows_what_failed(self):
        results = self.results()
        text = page.page(results, goals.latency_goals(results.figures), tables.all_tables(results))
        self.assertNotRegex(text, r'(?:src|href)=|url\(|https?://')
        self.assertEqual(text.count("<svg"), 2)
        self.assertIn("a &lt;failure&gt;", text)
        self.assertIn("one &amp; only", text)

    def test_what_is_known_of_a_command_stands_in_one_row(self):
        results = [{"case": "draw", "value": 4.0, "unit": "ns/command", "how": "so"},
                   {"case": "draw", "value": 91.0, "unit": "instructions/command"},
                   {"case": "draw, 2 rings", "value": 1.02, "unit": "times one ring"},
                   {"case": "worst insert", "value": 15.0, "unit": "us"}]
        self.assertEqual(tables.commands(results).rows, [["draw", "4", "91", "1.02", "–"]])
        self.assertEqual(tables.objects(results).rows, [["worst insert", "15", "us", ""]])

    def test_tables_are_as_wide_as_their_columns(self):
        for table in tables.all_tables(self.results()):
            for row in table.rows:
                self.assertEqual(len(row), len(table.columns), table.title)
            self.assertTrue(tables.text(table))

    def test_every_figure_that_a_goal_names_is_planned(self):
        names = {measurement.name for measurement in plan.FULL}
        self.assertLessEqual({measurement.name for measurement in plan.WAITING}, names)


if __name__ == "__main__":
    unittest.main()
