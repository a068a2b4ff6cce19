#!/usr/bin/env python3
"""The examples, run on this machine's driver: what they print, and how they fail without one.

PV_TEST_EMBED and PV_TEST_VMM name the programs.
"""

import os
import subprocess
import unittest

EMBED = os.environ["PV_TEST_EMBED"]
VMM = os.environ["PV_TEST_VMM"]
TIMEOUT_S = 200

FILLED = " ".join(["50656172"] * 8) + "\n"  # twice: 64 bytes
SEEN = r"""features 0x1f, scanouts 1, capsets 1
display 1920x1080
capset 4: 160 bytes, wire format 1
context 1, blob 1 at 0 of the window
fence 1 retired
the window says: Vulkan 1\.\d+
requests 10, errors 0, contexts lost 0
"""


def run(*command, **environment):
    return subprocess.run(command, env=dict(os.environ, **environment), capture_output=True,
                          text=True, timeout=TIMEOUT_S, check=False)


class Examples(unittest.TestCase):
    def assert_fails_with(self, result, line):
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr.splitlines(), [line])

    def test_embed_prints_what_the_gpu_has_filled(self):
        result = run(EMBED)
        self.assertEqual((result.returncode, result.stdout), (0, 2 * FILLED), result.stderr)

    def test_embed_says_in_one_line_that_there_is_no_driver(self):
        self.assert_fails_with(run(EMBED, VK_DRIVER_FILES="/nowhere", VK_ICD_FILENAMES="/nowhere"),
                               "embed: pv_venus_init (no Vulkan driver?): host failed")

    def test_vmm_gets_answers_from_a_worker(self):
        result = run(VMM)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, f"^{SEEN}$")

    def test_vmm_gets_answers_from_a_thread(self):
        result = run(VMM, "--in-process")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, f"^{SEEN}$")

    def test_vmm_says_in_one_line_that_there_is_no_driver(self):
        self.assert_fails_with(run(VMM, "--driver", "/nowhere"),
                               "vmm: virtio-gpu: no Vulkan driver for the guest")
        self.assert_fails_with(run(VMM, "--in-process", VK_DRIVER_FILES="/nowhere",
                                   VK_ICD_FILENAMES="/nowhere"),
                               "vmm: no Vulkan driver that works: host failed")

    def test_vmm_says_how_it_is_called(self):
        result = run(VMM, "--nonsense")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertTrue(result.stderr.startswith("usage: vmm "))


if __name__ == "__main__":
    unittest.main()
