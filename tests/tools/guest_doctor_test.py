#!/usr/bin/env python3
"""share/guest/pearvisor-guest names what Venus lacks first, and Venus when it is there."""

import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCTOR = ROOT / "share/guest/pearvisor-guest"

VENUS = """\
Devices:
========
GPU0:
\tapiVersion         = 1.4.318
\tdriverVersion      = 26.1.6
\tdeviceType         = PHYSICAL_DEVICE_TYPE_CPU
\tdeviceName         = Virtio-GPU Venus (llvmpipe (LLVM 15.0.6, 256 bits))
\tdriverName         = venus
\tdriverInfo         = Mesa 26.1.6-1
"""
SOFTWARE = VENUS.replace("Virtio-GPU Venus (llvmpipe (LLVM 15.0.6, 256 bits))", "llvmpipe")
DMESG = """\
[    6.4] [drm] features: +virgl +edid +resource_blob +host_visible
[    6.4] [drm] features: +context_init -blob_alignment
[    6.4] [drm] number of cap sets: 1
[    6.4] [drm] cap set 0: id 4, max-version 0, max-size 160
"""


class Doctor(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.device = self.root / "sys/bus/virtio/devices/virtio3"
        self.write("sys/bus/virtio/devices/virtio3/device", "0x0010\n")
        self.write("sys/bus/virtio/devices/virtio3/features", "11011" + "0" * 59 + "\n")
        (self.device / "driver").symlink_to("virtio_gpu")
        (self.root / "sys/module/virtio_gpu").mkdir(parents=True)
        self.write("dev/dri/renderD128", "")
        self.write("usr/share/vulkan/icd.d/virtio_icd.json", "{}")
        self.write("run/pearvisor/profile", "tuned\n")
        self.program("vulkaninfo", VENUS)
        self.program("dmesg", DMESG)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def program(self, name, output, status=0):
        self.write(f"bin/{name}", f"#!/bin/sh\ncat <<'END'\n{output}END\nexit {status}\n")
        (self.root / "bin" / name).chmod(0o755)

    def doctor(self, *arguments):
        environment = dict(os.environ, PEARVISOR_GUEST_ROOT=str(self.root), VN_PERF="fast",
                           PATH=f"{self.root}/bin:/usr/bin:/bin")
        result = subprocess.run(["sh", str(DOCTOR), *arguments], env=environment, text=True,
                                capture_output=True, check=False)
        return result.returncode, result.stdout, result.stderr

    def assert_missing(self, reason):
        self.assertEqual(self.doctor("doctor", "--brief"), (1, f"no-venus {reason}\n", ""))
        status, text, _ = self.doctor("doctor")
        self.assertEqual(status, 1)
        self.assertIn(f"  MISSING  {reason}\n", text)
        self.assertTrue(text.endswith("\nVenus is not in use.\n"), text)

    def test_venus_in_use_is_named(self):
        name = "Virtio-GPU Venus (llvmpipe (LLVM 15.0.6, 256 bits))"
        self.assertEqual(self.doctor("doctor", "--brief"), (0, f"venus {name}\n", ""))
        status, text, _ = self.doctor("doctor")
        self.assertEqual(status, 0)
        self.assertIn(f"vulkaninfo: {name}, 1.4.318, Mesa 26.1.6-1\n", text)
        self.assertIn("profile tuned, VN_PERF=fast here\n", text)
        self.assertNotIn("MISSING", text)

    def test_no_device(self):
        self.write("sys/bus/virtio/devices/virtio3/device", "0x0002\n")
        self.assert_missing("there is no virtio-gpu device")

    def test_no_module(self):
        (self.root / "sys/module/virtio_gpu").rmdir()
        self.assert_missing("the kernel module virtio_gpu is not loaded")

    def test_a_device_that_the_module_refused(self):
        (self.device / "driver").unlink()
        self.assert_missing("the module virtio_gpu has not taken the device")

    def test_no_render_node(self):
        (self.root / "dev/dri/renderD128").unlink()
        self.assert_missing("there is no render node /dev/dri/renderD*")

    def test_each_missing_feature(self):
        for bits, what in (("01011", "3D (VIRTIO_GPU_F_VIRGL)"),
                           ("11001", "blob resources (VIRTIO_GPU_F_RESOURCE_BLOB)"),
                           ("11010", "context init (VIRTIO_GPU_F_CONTEXT_INIT)")):
            with self.subTest(bits=bits):
                self.write("sys/bus/virtio/devices/virtio3/features", bits + "\n")
                self.assert_missing(f"the device has no {what}")

    def test_no_window(self):
        self.program("dmesg", DMESG.replace("+host_visible", "-host_visible"))
        self.assert_missing("the device has no window to host memory")

    def test_no_capability_set(self):
        self.program("dmesg", DMESG.replace("id 4,", "id 2,"))
        self.assert_missing("the device has no capability set 4 (Venus)")
        self.program("dmesg", DMESG.replace("sets: 1", "sets: 0").replace("cap set 0: id 4", "-"))
        self.assert_missing("the device has no capability set 4 (Venus)")

    def test_a_device_that_does_not_answer(self):
        log = DMESG.replace("[drm] cap set 0: id 4, max-version 0, max-size 160",
                            "[drm:virtio_gpu_init.cold [virtio_gpu]] *ERROR* "
                            "timed out waiting for cap set 0")
        self.program("dmesg", log)
        self.assert_missing("the device does not answer")

    def test_a_log_that_has_gone_on_decides_nothing(self):
        self.program("dmesg", "")
        status, text, _ = self.doctor("doctor")
        self.assertEqual((status, text.count("  unknown  ")), (0, 2))

    def test_no_driver(self):
        (self.root / "usr/share/vulkan/icd.d/virtio_icd.json").unlink()
        self.assert_missing("Mesa's Venus driver (virtio_icd) is not installed")

    def test_another_gpu_than_venus(self):
        self.program("vulkaninfo", SOFTWARE)
        self.assert_missing("vulkaninfo names no Virtio-GPU Venus: it found llvmpipe")

    def test_a_vulkaninfo_that_fails(self):
        self.program("vulkaninfo", "ERROR: vkCreateInstance failed with -9\n", status=1)
        self.assert_missing(
            "vulkaninfo names no Virtio-GPU Venus: ERROR: vkCreateInstance failed with -9")

    def test_wrong_arguments_are_told_in_one_line(self):
        for arguments in ([], ["heal"], ["doctor", "--long"], ["doctor", "--brief", "x"]):
            status, text, error = self.doctor(*arguments)
            self.assertEqual((status, text, error.count("\n")), (2, "", 1))
        self.assertEqual(self.doctor("doctor", "--help")[0], 0)


if __name__ == "__main__":
    unittest.main()
