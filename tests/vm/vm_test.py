"""A real guest under stock QEMU: boots it with `pearvisor run`, lets it draw, and breaks what it
stands on.

PV_TEST_PROGRAM names the program, PV_TEST_IMAGE a guest's image, PV_TEST_QEMU its QEMU (the script
tools/run-tests makes both). PV_TEST_VM=short leaves out what takes minutes.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = os.environ["PV_TEST_PROGRAM"]
IMAGE = os.environ.get("PV_TEST_IMAGE", "")
QEMU = os.environ.get("PV_TEST_QEMU", "")
IS_SHORT = os.environ.get("PV_TEST_VM") == "short"
BOOT_S = 240  # sanitizers, emulation, two cores and other work beside
DRAW = "VK_LOADER_DRIVERS_SELECT='*virtio*' pearvisor demo-client"


def until(condition, what, timeout_s=60):
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > timeout_s:
            raise AssertionError(f"{what}: not after {timeout_s} s")
        time.sleep(0.05)


def processes():
    """{pid: (parent, command line)} of all that are alive."""
    found = {}
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = pathlib.Path(f"/proc/{int(entry)}/stat").read_text().rsplit(")", 1)[1].split()
            line = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if fields[0] != "Z":
                found[int(entry)] = (int(fields[1]), line)
    return found


def descendants(pid):
    """{pid: command line} of all that a process has started."""
    alive, found, wanted = processes(), {}, {pid}
    while wanted:
        wanted = {child for child, (parent, _) in alive.items() if parent in wanted} - set(found)
        found.update({child: alive[child][1] for child in wanted})
    return found


class Guest:
    """`pearvisor run` with a shell script for the guest."""

    def __init__(self, script, *options, way="vhost-user", folder=None):
        command = [PROGRAM, "run", IMAGE, "--qemu", QEMU, "--way", way, *options]
        if folder:
            command += ["--share", folder]
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([*command, "--", "sh", "-c", script], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.errors)
        self.started = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self.process.stdout.close()
        self.errors.close()

    def wait_for(self, word):
        """Reads the command's output up to a line of its own."""
        for line in self.process.stdout:
            if line.strip() == word:
                self.started.update(descendants(self.process.pid))
                return
        raise AssertionError(f"the guest never said {word!r}: {self.said()}")

    def finish(self):
        """The rest of the output; the status is in `process`."""
        output = self.process.stdout.read()
        self.process.wait(BOOT_S)
        return output

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def find(self, words):
        """The processes that it has started whose command line has these words."""
        return sorted(pid for pid, line in descendants(self.process.pid).items()
                      if words in line)


@unittest.skipUnless(IMAGE and QEMU, "no image and no QEMU were given")
class VmTest(unittest.TestCase):
    def setUp(self):
        self.shared_memory = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()

    @staticmethod
    def left_of(guest):
        alive = processes()
        return [pid for pid, line in guest.started.items()
                if pid in alive and alive[pid][1] == line]

    def check_nothing_is_left(self, guest):
        # Workers see that a killed backend has gone, and need a moment to go, too.
        until(lambda: not self.left_of(guest), "processes are left", 10)
        if os.path.isdir("/dev/shm"):
            self.assertEqual(set(os.listdir("/dev/shm")) - self.shared_memory, set())

    def draw_natively(self, folder):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("VK_", "VN_", "VTEST_"))}
        gpus = json.loads(subprocess.run([PROGRAM, "demo-client", "--list"], env=clean, check=True,
                                         capture_output=True).stdout)
        index = next(gpu["index"] for gpu in gpus if not gpu["venus"])
        subprocess.run([PROGRAM, "demo-client", "--gpu-index", str(index), "--frames", "1", "--png",
                        f"{folder}/native.png", "--json", f"{folder}/native.json"], env=clean,
                       check=True)

    def test_a_guest_draws_what_the_host_draws_and_outlives_a_dead_worker(self):
        with tempfile.TemporaryDirectory() as folder:
            script = f"""
                lsmod | grep virtio_gpu || exit 10
                pearvisor-guest doctor >&2 || exit 11
                vulkaninfo --summary | grep 'Virtio-GPU Venus' || exit 12
                {DRAW} --frames 3 --png /share/guest.png --json /share/guest.json || exit 13
                {DRAW} --frames 100000 --json /dev/null & drawing=$!
                until vulkaninfo --summary >/dev/null; do :; done
                echo kill
                wait $drawing && exit 14
                {DRAW} --frames 3 --png /share/again.png --json /share/again.json || exit 15
                echo drawn"""
            with Guest(script, folder=folder) as guest:
                guest.wait_for("kill")
                # Spare workers wait for a client; the one that draws is the busiest.
                workers = guest.find("pearvisor worker")
                self.assertTrue(workers, guest.said())
                os.kill(max(workers, key=processor_time), signal.SIGKILL)
                output = guest.finish()
                self.assertEqual(guest.process.returncode, 0, output + guest.said())
                self.assertIn("drawn", output)
            self.check_nothing_is_left(guest)
            self.draw_natively(folder)
            pictures = {name: read_pixels(pathlib.Path(folder) / f"{name}.png")
                        for name in ("native", "guest", "again")}
            self.assertEqual(pictures["guest"], pictures["native"])
            self.assertEqual(pictures["again"], pictures["native"])

    def test_a_killed_backend_is_told_and_leaves_nothing(self):
        with Guest("echo up; sleep 1000") as guest:
            guest.wait_for("up")
            backend, = guest.find(" vhost-user --fd")
            os.kill(backend, signal.SIGKILL)
            guest.process.wait(60)
            self.assertNotEqual(guest.process.returncode, 0)
            self.assertIn("backend", guest.said())
        self.check_nothing_is_left(guest)

    @unittest.skipIf(IS_SHORT, "short form")
    def test_the_drop_in_library_draws_what_the_host_draws(self):
        with tempfile.TemporaryDirectory() as folder:
            script = f"""
                vulkaninfo --summary | grep 'Virtio-GPU Venus' || exit 12
                {DRAW} --frames 3 --png /share/guest.png --json /share/guest.json || exit 13
                {DRAW} --frames 100000 --json /dev/null & drawing=$!
                until vulkaninfo --summary >/dev/null; do :; done
                echo kill
                wait $drawing && exit 14
                {DRAW} --frames 3 --png /share/again.png --json /share/again.json || exit 15"""
            with Guest(script, way="virgl", folder=folder) as guest:
                guest.wait_for("kill")
                os.kill(max(guest.find("pearvisor worker"), key=processor_time), signal.SIGKILL)
                output = guest.finish()
                self.assertEqual(guest.process.returncode, 0, output + guest.said())
            self.check_nothing_is_left(guest)
            self.draw_natively(folder)
            native = read_pixels(pathlib.Path(folder) / "native.png")
            self.assertEqual(read_pixels(pathlib.Path(folder) / "guest.png"), native)
            self.assertEqual(read_pixels(pathlib.Path(folder) / "again.png"), native)

    @unittest.skipIf(IS_SHORT, "short form")
    def test_a_driver_that_is_taken_off_in_mid_frame_can_be_put_back(self):
        with tempfile.TemporaryDirectory() as folder:
            script = f"""
                {DRAW} --frames 100000 --json /dev/null & drawing=$!
                sleep 5
                device=$(basename "$(readlink /sys/class/drm/card0/device)")
                for turn in 1 2 3; do
                    echo "$device" >/sys/bus/virtio/drivers/virtio_gpu/unbind
                    echo "$device" >/sys/bus/virtio/drivers/virtio_gpu/bind
                done
                kill $drawing; wait $drawing
                {DRAW} --frames 3 --json /share/guest.json || exit 13"""
            with Guest(script, folder=folder) as guest:
                output = guest.finish()
                self.assertEqual(guest.process.returncode, 0, output + guest.said())

    @unittest.skipIf(IS_SHORT, "short form")
    def test_many_programs_at_once_have_a_context_each(self):
        script = """
            for n in $(seq 24); do vulkaninfo --summary >/tmp/info-$n 2>&1 & done; wait
            echo found $(grep -l 'Virtio-GPU Venus' /tmp/info-* | wc -l)"""
        with Guest(script) as guest:
            output = guest.finish()
            self.assertEqual(guest.process.returncode, 0, guest.said())
            self.assertIn("found 24", output)


def processor_time(pid):
    """-1 of one that has left meanwhile, as vulkaninfo's worker does."""
    with contextlib.suppress(OSError):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    return -1


def read_pixels(path):
    """Any PNG as raw pixels."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
    from png_pixels import read_picture  # pylint: disable=import-outside-toplevel
    return read_picture(path)


if __name__ == "__main__":
    if not (IMAGE and QEMU):
        sys.exit(77)  # Meson's word for a skipped test
    unittest.main(verbosity=2)
