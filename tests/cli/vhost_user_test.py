"""`pearvisor vhost-user` from outside: its options, its socket, and how it ends.

PV_TEST_PROGRAM names the program. Only the host's own Vulkan driver is needed, no QEMU.
"""

import json
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

from serve_test import PROGRAM, SLOW_S, children, run, until


class BackEnd:
    """A back-end on a socket in a folder of its own."""

    def __init__(self, *options, **process_options):
        self.folder = tempfile.TemporaryDirectory()
        self.path = self.folder.name + "/s"
        self.log = open(self.folder.name + "/log", "w+b")
        self.process = subprocess.Popen(
            [PROGRAM, "vhost-user", "--socket", self.path, "--log", "debug", *options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **process_options)
        until(lambda: os.path.exists(self.path) or self.process.poll() is not None, "a socket")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(SLOW_S)
        self.log.close()
        self.folder.cleanup()

    def said(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()

    def connect(self):
        front_end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        front_end.settimeout(SLOW_S)
        try:
            front_end.connect(self.path)
        except OSError:
            front_end.close()
            raise
        return front_end


def features(front_end):
    """GET_FEATURES, and what is answered."""
    front_end.sendall(struct.pack("<III", 1, 1, 0))
    reply = front_end.recv(20, socket.MSG_WAITALL)
    request, flags, size, value = struct.unpack("<IIIQ", reply)
    assert (request, flags, size) == (1, 5, 8), reply
    return value


class Options(unittest.TestCase):
    def assert_refused(self, *arguments, status=2, **options):
        result = run("vhost-user", *arguments, **options)
        self.assertEqual(result.returncode, status, (arguments, result.stderr))
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("pearvisor"), result.stderr)
        return result.stderr

    def test_help_is_there(self):
        self.assertIn("vhost-user", run("--help").stdout)
        self.assertRegex(run("vhost-user", "--help").stdout, r"^Usage: pearvisor vhost-user ")

    def test_wrong_ones_are_told_in_one_line(self):
        for arguments in (
                [], ["--nonsense"], ["nonsense"], ["--socket"], ["--socket="], ["--fd", "x"],
                ["--fd", "-1"], ["--socket", "/tmp/x", "--fd", "3"], ["--", "true"],
                ["--fd", "0", "--log", "loud"], ["--fd", "0", "--wait", "long"],
                ["--fd", "0", "--gpu", ""], ["--fd", "0", "--driver", "/nonexistent.json"],
                ["--print-capabilities=yes"]):
            self.assert_refused(*arguments)
        for size in ("", "8", "0G", "3G", "8M", "2048G", "8GB", "-8G", "8 G", "0x8G", "99999999G"):
            self.assertIn("--window", self.assert_refused("--fd", "0", "--window", size))
        for size in ("", "x", "1920", "1920x", "x1080", "1920x1080x24", "32x32", "1920x99999"):
            self.assertIn("--scanout", self.assert_refused("--fd", "0", "--scanout", size))

    def test_a_descriptor_must_be_a_connected_socket(self):
        self.assertIn("no such descriptor", self.assert_refused("--fd", "77", status=1))
        self.assertIn("no socket", self.assert_refused("--fd", "0", status=1))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lonely:
            self.assertIn("not connected", self.assert_refused(
                "--fd", str(lonely.fileno()), status=1, pass_fds=[lonely.fileno()]))
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with left, right:
            self.assertIn("stream", self.assert_refused(
                "--fd", str(left.fileno()), status=1, pass_fds=[left.fileno()]))

    def test_a_taken_path_stays_what_it_is(self):
        with BackEnd() as back_end:
            self.assertIn("another server",
                          self.assert_refused("--socket", back_end.path, status=1))
            self.assertTrue(os.path.exists(back_end.path))
            # Who only looked is not the machine that is waited for.
            with back_end.connect() as front_end:
                self.assertEqual(features(front_end) & 1, 1)
        with tempfile.NamedTemporaryFile() as file:
            self.assert_refused("--socket", file.name, status=1)
            self.assertTrue(os.path.exists(file.name))
        self.assert_refused("--socket", "/tmp/" + "x" * 200, status=1)
        with tempfile.TemporaryDirectory() as folder:
            self.assert_refused("--socket", folder + "/missing/s", status=1)

    def test_a_host_without_drivers_is_told_and_leaves_no_socket(self):
        """In folders that have none: what the system has is out of sight in a mount namespace."""
        hide = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
        folders = [folder for folder in ("/usr/share/vulkan", "/usr/local/share/vulkan",
                                         "/etc/vulkan") if os.path.isdir(folder)]
        mounts = "".join(f"mount -t tmpfs none {folder} && " for folder in folders)
        probe = subprocess.run([*hide, mounts + "true"], capture_output=True, check=False)
        if probe.returncode != 0:
            self.skipTest("no namespaces for this user")
        with tempfile.TemporaryDirectory() as folder:
            environment = {"PATH": os.environ["PATH"], "HOME": folder}
            result = subprocess.run(
                [*hide, mounts + f"exec '{PROGRAM}' vhost-user --socket {folder}/s"],
                capture_output=True, text=True, timeout=SLOW_S, env=environment, check=False)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
            self.assertIn("no Vulkan driver", result.stderr)
            self.assertFalse(os.path.exists(folder + "/s"))

    def test_capabilities_are_json(self):
        result = run("vhost-user", "--print-capabilities")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(json.loads(result.stdout), {"type": "gpu", "features": []})


class Life(unittest.TestCase):
    def test_it_serves_one_front_end_and_ends_with_it(self):
        shared = set(os.listdir("/dev/shm"))
        with BackEnd() as back_end:
            with back_end.connect() as front_end:
                # VERSION_1, vhost-user's own, event indices, indirect descriptors; and the GPU's:
                # 3D, resource blobs and context init at least.
                self.assertEqual(features(front_end) & ~0xffffe6, 0x170000019)
                until(lambda: not os.path.exists(back_end.path), "the socket to go")
                with self.assertRaises(OSError):
                    back_end.connect()
                workers = children(back_end.process.pid)
                self.assertGreaterEqual(len(workers), 1)
                self.assertEqual(features(front_end) & 1, 1)
            self.assertEqual(back_end.process.wait(SLOW_S), 0)
            for worker in workers:
                self.assertFalse(os.path.exists(f"/proc/{worker}"))
        self.assertEqual(set(os.listdir("/dev/shm")) - shared, set())

    def test_a_signal_ends_it_and_removes_the_socket(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with BackEnd() as back_end:
                until(lambda: children(back_end.process.pid), "a worker")
                workers = children(back_end.process.pid)
                back_end.process.send_signal(number)
                self.assertEqual(back_end.process.wait(SLOW_S), 0)
                self.assertFalse(os.path.exists(back_end.path))
                for worker in workers:
                    self.assertFalse(os.path.exists(f"/proc/{worker}"))
        with BackEnd() as back_end, back_end.connect() as front_end:
            features(front_end)
            back_end.process.terminate()
            self.assertEqual(back_end.process.wait(SLOW_S), 0)
            self.assertEqual(front_end.recv(1), b"")

    def test_a_front_end_that_speaks_nonsense_is_told_in_one_line(self):
        with BackEnd("--log", "error") as back_end, back_end.connect() as front_end:
            front_end.sendall(b"GET / HTTP/1.0\r\n\r\n")
            self.assertEqual(back_end.process.wait(SLOW_S), 1)
            self.assertEqual(len(back_end.said().splitlines()), 1, back_end.said())
            self.assertFalse(os.path.exists(back_end.path))

    def test_as_many_descriptors_as_the_system_lets_it_have(self):
        """Each of the guest's blobs holds one."""
        hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4000)
        low = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        with BackEnd(preexec_fn=low) as back_end:
            self.assertEqual(resource.prlimit(back_end.process.pid, resource.RLIMIT_NOFILE),
                             (hard, hard))

    def test_a_descriptor_serves_as_well(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.settimeout(SLOW_S)
        with subprocess.Popen([PROGRAM, "vhost-user", "--fd", str(theirs.fileno())],
                              pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL) as process:
            theirs.close()
            self.assertEqual(features(ours) & 1, 1)
            ours.close()
            self.assertEqual(process.wait(SLOW_S), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
