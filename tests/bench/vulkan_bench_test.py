#!/usr/bin/env python3
"""Each measurement of vulkan_bench yields figures on the host's own driver, and its command line
refuses what it does not know. VULKAN_BENCH names the program."""

import json
import os
import pathlib
import select
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from suite import machine  # noqa: E402

PROGRAM = os.environ["VULKAN_BENCH"]
SLOW_S = 120 # sanitizers and busy machines

# Figures that each measurement must yield, whatever else it says.
EXPECTED = {
    "latency": ["sync.0us", "sync.5us", "sync.30us", "sync.200us", "sync.2ms", "sync.20ms"],
    "submit": ["submit.empty", "submit.empty.2ms", "submit.dispatch", "submit.dispatch.2ms"],
    "wake": ["wake.futex", "wake.futex.2ms", "wake.socket", "wake.socket.2ms"],
    "floor": ["floor.yield", "floor.sharing", "floor.sharing.touched"],
    "record": [f"{verb}.{kind}.{until}" for verb in ("record", "execute")
               for kind in ("draw", "dispatch", "push_constants", "bind_dispatch")
               for until in ("app", "drained")],
    "threads": ["threads.1", "threads.2", "threads.4"],
    "create": [f"create.{kind}" for kind in ("buffer", "image", "view", "sampler", "fence")],
    "descriptors": ["create.descriptor_set", "update.8_uniform_buffers"],
    "pipelines": ["pipelines.compute", "pipelines.graphics"],
    "memory": [f"memory.{size}{touched}" for size in ("1MiB", "256MiB")
               for touched in ("", ".touched")],
    "mapped": ["mapped.write", "mapped.read"],
    "compute": ["compute.elements"],
    "frame": ["frame.1080p"],
    "poll": ["poll.frame", "poll.frame.control", "poll.loop.job", "poll.loop.client_cpu",
             "poll.beside.sleeping", "poll.beside.polling"],
    "fps": ["fps.frame", "fps.client_cpu"],
    "idle": ["idle.time", "idle.client_cpu"],
    "storm": [f"storm.{who}.{what}" for who in ("none", "own_ring", "main_ring", "flood")
              for what in ("draws", "longest_frame", "longest_sync", "pipelines")],
    "start": ["start.process", "start.instance"],
}
MARKS = {"fps": ["fps"], "poll": ["poll.loop"], "idle": ["idle"]}


def environment():
    """Lavapipe alone, where it is installed: the first GPU of a machine may be anything."""
    found = {k: v for k, v in os.environ.items() if not k.startswith(("VK_", "VN_"))}
    software = machine.lavapipe()
    if software:
        found["VK_DRIVER_FILES"] = found["VK_ICD_FILENAMES"] = software
    return found


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], env=environment(), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=SLOW_S, check=False)


class Measurements(unittest.TestCase):
    def check_figure(self, line):
        self.assertIsInstance(line["value"], (int, float))
        self.assertGreaterEqual(line["value"], 0)
        self.assertTrue(line["unit"])
        self.assertTrue(line["how"])
        self.assertGreaterEqual(line["count"], 1)
        if "p50" in line:
            self.assertLessEqual(line["min"], line["p50"])
            self.assertLessEqual(line["p50"], line["p99"])

    def check_measurement(self, name):
        done = run(name, "--ms", "1", "--marks")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = [json.loads(text) for text in done.stdout.splitlines()]
        figures = {line["name"]: line for line in lines if "mark" not in line}
        self.assertEqual([n for n in EXPECTED[name] if n not in figures], [])
        for line in figures.values():
            self.check_figure(line)
        marks = [(line["mark"], line["name"]) for line in lines if "mark" in line]
        wanted = [(mark, part) for part in MARKS.get(name, []) for mark in ("begin", "end")]
        self.assertEqual(marks, wanted)

    def test_a_mark_waits_for_a_line_on_stdin(self):
        with subprocess.Popen([PROGRAM, "fps", "--ms", "1", "--marks"], env=environment(),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            for mark in ("begin", "end"):
                self.assertEqual(json.loads(client.stdout.readline()),
                                 {"mark": mark, "name": "fps"})
                self.assertEqual(select.select([client.stdout], [], [], 0.5)[0], [])
                client.stdin.write("\n")
                client.stdin.flush()
            self.assertEqual(json.loads(client.stdout.readline())["name"], "fps.frame")

    def test_without_being_asked_it_makes_no_marks(self):
        self.assertNotIn("mark", run("fps", "--ms", "1").stdout)

    def test_it_says_which_device_it_measures(self):
        done = run("device")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = json.loads(done.stdout)
        self.assertTrue(found["device"] and found["driver"] and found["api_version"])

    def test_every_measurement_of_the_help_is_tested(self):
        listed = [line.split()[0] for line in run("--help").stdout.splitlines()
                  if line.startswith("  ") and not line.startswith("  --")]
        self.assertEqual(listed, ["device", *EXPECTED])


for measurement in EXPECTED:
    setattr(Measurements, f"test_{measurement}_yields_its_figures",
            lambda self, name=measurement: self.check_measurement(name))


class CommandLine(unittest.TestCase):
    def assert_refused(self, arguments, line):
        done = run(*arguments)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (2, "", line + "\n"))

    def test_a_measurement_must_be_named(self):
        self.assert_refused([], "vulkan_bench: which measurement? see --help")

    def test_an_unknown_measurement_is_refused(self):
        self.assert_refused(["speed"], "vulkan_bench: unknown measurement 'speed'; see --help")

    def test_an_unknown_option_is_refused(self):
        self.assert_refused(["latency", "--fast", "1"],
                            "vulkan_bench: unknown option '--fast'; see --help")

    def test_an_option_without_its_number_is_refused(self):
        for arguments in (["--ms"], ["--ms", "soon"], ["--ms", "-1"], ["--ms", "1e3"],
                          ["--ms", "600001"]):
            self.assert_refused(["latency", *arguments],
                                "vulkan_bench: --ms: needs a number up to 600000")

    def test_a_gpu_that_is_not_there_fails_with_a_line(self):
        done = run("latency", "--gpu-index", "63")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"^vulkan_bench: there is no GPU 63: .*\n$")


if __name__ == "__main__":
    unittest.main()
