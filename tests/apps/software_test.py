#!/usr/bin/env python3
"""Programs that other people wrote say, draw and compute the same natively and through PearVisor.

vkcube's frames are compared bit for bit, llama.cpp's own test of Vulkan case by case. OpenGL and
OpenCL are zink's and rusticl's, which stand on the same device: what they offer is compared, and
glmark2 and hashcat judge what comes out. Rates are told, not judged: machines are too different.
PV_TEST_HOST and PV_TEST_GUEST must be folders of tools/fetch-mesa; skipped where they are not.
"""

import hashlib
import pathlib
import re
import shutil
import statistics
import sys
import unittest

import sides

TIMEOUT_S = 900  # for one program on one side: a minute where the machine is not busy
OPS = "/usr/libexec/x86_64-linux-gnu/ggml/test-backend-ops"
PROGRAMS = [OPS, *(f"/usr/bin/{name}" for name in (
    "Xvfb", "vkcube", "glxinfo", "glmark2", "clinfo", "clpeak", "hashcat"))]
FOLDER = sides.PROJECT / "build/software"  # has a home for each side, and pictures to look at
# Runs the command of the arguments on a screen of its own, and says how long it took. hashcat needs
# a passwd, which is a maintainer script's work.
SCREEN = """
[ -e /etc/passwd ] || echo root:x:0:0::/:/bin/bash >/etc/passwd
coproc { exec Xvfb -displayfd 1 -screen 0 800x600x24 -nolisten tcp 2>/dev/null; }
read -r display <&"${COPROC[0]}" || exit 1
export DISPLAY=:$display XDG_RUNTIME_DIR=$HOME TIMEFORMAT="took %R s"
time timeout "$@"
status=$?
kill "$COPROC_PID"
wait "$COPROC_PID"
exit $status
"""
FRAMES = (5, 20, 63)  # of vkcube's, which turns by as much in each
CUBES = 2000
# Some of each kind that are quick on a CPU.
LLAMA_OPS = ",".join((
    "ADD_ID", "ARGMAX", "COL2IM_1D", "CONV_TRANSPOSE_1D", "CPY", "CUMSUM", "DIV", "GEGLU",
    "IM2COL_3D", "L2_NORM", "NORM", "OUT_PROD", "PAD", "POOL_2D", "REPEAT", "SET"))
# Where Venus presents on a thread, that thread may name a window that glmark2 has closed on its way
# out, which X takes for an error.
ON_WINDOWS = "VN_PERF=no_async_present",
# zink takes a CPU as its device only where it may be software, and rusticl finds zink only as such.
ON_ZINK = ("LIBGL_ALWAYS_SOFTWARE=1", "GALLIUM_DRIVER=zink", "MESA_LOADER_DRIVER_OVERRIDE=zink",
           "RUSTICL_ENABLE=llvmpipe")
# What stands on Vulkan's features that a guest lacks: differences.toml says which, and why.
LACKING = {
    "GL_AMD_pinned_memory",                           # VK_EXT_external_memory_host
    "GL_ARB_sparse_buffer", "GL_ARB_sparse_texture",  # sparse binding
    "GL_EXT_memory_object", "GL_EXT_memory_object_fd",
    "GL_EXT_semaphore", "GL_EXT_semaphore_fd", "GL_NV_timeline_semaphore",
    "cl_khr_semaphore", "cl_khr_external_semaphore", "cl_khr_external_semaphore_sync_fd",
}


def why_not():
    """Why the programs cannot be compared here; None if they can."""
    if not (sides.HOST and sides.GUEST):
        return "only for two folders of tools/fetch-mesa"
    missing = [path for root in (sides.HOST, sides.GUEST) for path in PROGRAMS
               if not pathlib.Path(root + path).exists()]
    assert not missing, f"no {missing[0]}: is this what tools/fetch-mesa unpacks?"
    return sides.why_not()


def on_both(settings, *command):
    """What the command prints natively and in a guest, and how many seconds each took.

    `settings` are NAME=VALUE, with {side} for the name of the side.
    """
    outputs, seconds = [], []
    for name, run in (("native", sides.on_host), ("guest", sides.in_guest)):
        result = run(f"HOME={FOLDER}/{name}", *(one.format(side=name) for one in settings),
                     "bash", "-c", SCREEN, "screen", str(TIMEOUT_S), *command,
                     timeout_s=TIMEOUT_S + 60)
        assert result.returncode == 0, f"{name}: {result.returncode} after:\n{result.stdout}\n" \
            f"{result.stderr}"
        outputs.append(result.stdout)
        seconds.append(float(re.search(r"took ([\d.]+) s", result.stderr)[1]))
    return outputs, seconds


def tell(what, ratios):
    """Prints how fast the guest is: the geometric mean of its rates by the host's."""
    print(f"{what}: in a guest {statistics.geometric_mean(ratios):.2f} of the native rate",
          file=sys.stderr)


def read_pairs(pattern, outputs):
    """[{name: value} of what the pattern finds] of both sides."""
    return [dict(re.findall(pattern, output, re.M)) for output in outputs]


class Software(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(FOLDER, ignore_errors=True)
        for side in ("native", "guest"):
            (FOLDER / side).mkdir(parents=True)

    def check_devices(self, pattern, outputs):
        """The guest's device, whose name the pattern finds, is Venus's for the host's."""
        native, guest = (re.search(pattern, output)[1] for output in outputs)
        self.assertEqual(guest, f"Virtio-GPU Venus ({native})")

    def check_same(self, pattern, outputs):
        """What the pattern finds, names and values, is equal on both sides: the values."""
        native, guest = read_pairs(pattern, outputs)
        self.assertTrue(native)
        self.assertEqual(native, guest)
        return list(guest.values())

    def check_offers(self, pattern, outputs):
        """Both sides have the extensions that the pattern finds, but for what must be lacking."""
        native, guest = (set(re.findall(pattern, output)) for output in outputs)
        self.assertGreater(len(guest), 20)
        self.assertLessEqual(native - guest, LACKING)
        self.assertEqual(guest - native, set())

    def test_vkcube_draws_the_same_frames(self):
        frames = "/".join(map(str, FRAMES))
        # The layer destroys semaphores that a present waits for (natively, the validation layer
        # says so, too). Where Venus presents on a thread, that thread would name them afterwards.
        on_both(["VN_PERF=no_async_present", "VK_INSTANCE_LAYERS=VK_LAYER_MESA_screenshot",
                 "VK_LAYER_MESA_SCREENSHOT_CONFIG="
                 f"frames={frames},output_dir={FOLDER}/{{side}}"], "vkcube", "--c", "100")
        native, guest = ([(FOLDER / side / f"{frame}.png").read_bytes() for frame in FRAMES]
                         for side in ("native", "guest"))
        self.assertEqual(len(set(native)), len(FRAMES), "it does not turn")
        self.assertTrue(native == guest, f"other pixels: {FOLDER}")

    def test_vkcube_draws_many_frames(self):
        # Presented at once (VK_PRESENT_MODE_IMMEDIATE_KHR), or the screen would set the rate.
        _, seconds = on_both([], "vkcube", "--c", str(CUBES), "--present_mode", "0")
        print(f"vkcube: {CUBES / seconds[0]:.0f} frames a second natively", file=sys.stderr)
        tell("vkcube", [seconds[0] / seconds[1]])

    def test_llama_cpp_computes_on_vulkan(self):
        outputs, seconds = on_both(["GGML_VK_VISIBLE_DEVICES=0"], OPS, "-b", "Vulkan0",
                                   "-o", LLAMA_OPS)
        self.check_devices("Device description: (.*)", outputs)
        plain = [re.sub(r"\x1b\[[\d;]*m", "", output) for output in outputs]
        verdicts = self.check_same(r"^  (\w+\(.*\)): (.*)$", plain)
        passed = verdicts.count("OK")
        print(f"llama.cpp: {passed} cases pass, {len(verdicts) - passed} are not supported by its "
              "Vulkan", file=sys.stderr)
        self.assertGreater(passed, 2000)
        self.assertNotIn("FAIL", verdicts)
        tell("llama.cpp", [seconds[0] / seconds[1]])

    def test_opengl_is_offered_by_zink(self):
        outputs, _ = on_both(ON_ZINK, "glxinfo")
        self.check_devices(r"OpenGL renderer string: zink Vulkan [\d.]+\((.*) \(\w+\)\)", outputs)
        self.check_offers(r"\bGLX?_[A-Z]+\w+", outputs)
        self.check_same("^(OpenGL.* version.*): (.*)$", outputs)

    def test_glmark2_draws_on_zink(self):
        outputs, _ = on_both(ON_ZINK + ON_WINDOWS, "glmark2", "--validate")
        verdicts = self.check_same(r"^(\[.*): Validation: (\w+)$", outputs)
        self.assertGreater(verdicts.count("Success"), 20)
        self.assertLessEqual(set(verdicts), {"Success", "Unknown"})

    def test_glmark2_ends_all_scenes_on_zink(self):
        outputs, _ = on_both(ON_ZINK + ON_WINDOWS, "glmark2", "-b", ":duration=0.5")
        native, guest = read_pairs(r"^(\[.*): FPS: \d+ FrameTime: ([\d.]+) ms$", outputs)
        self.assertEqual(native.keys(), guest.keys())
        self.assertGreater(len(guest), 30)
        tell("glmark2", [float(native[name]) / float(guest[name]) for name in guest])

    def test_opencl_is_offered_by_rusticl(self):
        outputs, _ = on_both(ON_ZINK, "clinfo")
        self.check_devices(r"Device Name +zink Vulkan [\d.]+\((.*) \(\w+\)\)", outputs)
        self.check_offers(r"\bcl(?:es)?_[a-z]+_\w+", outputs)
        self.check_same("^ *((?:Device|Platform) Version) +(.*)$", outputs)

    def test_clpeak_computes_on_rusticl(self):
        outputs, _ = on_both(ON_ZINK, "clpeak", "-i", "3", "--global-bandwidth", "--compute-sp")
        self.check_devices(r"Device: zink Vulkan [\d.]+\((.*) \(\w+\)\)", outputs)
        rates = [re.findall(r"float\d* +: ([\d.]+)$", output, re.M) for output in outputs]
        self.assertEqual([len(found) for found in rates], [10, 10])  # of memory, and of computing
        tell("clpeak", [float(guest) / float(native) for native, guest in zip(*rates)])

    def test_hashcat_finds_a_word_on_rusticl(self):
        found = f"{hashlib.md5(b'pear').hexdigest()}:pear"
        outputs, _ = on_both(ON_ZINK, "hashcat", "--quiet", "--potfile-disable", "--hash-type=0",
                             "--attack-mode=3", found.removesuffix(":pear"), "?l?l?l?l")
        for output in outputs:
            self.assertIn(found, output)


if __name__ == "__main__":
    if why_not():
        print(f"software_test: skipped: {why_not()}")
        sys.exit(sides.SKIPPED)
    unittest.main()
