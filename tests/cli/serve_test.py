"""`pearvisor serve` from outside: processes, sockets and files, with a client that speaks bytes.

PV_TEST_PROGRAM names the program. Only the host's own Vulkan driver is needed, no Venus driver.
"""

import contextlib
import json
import mmap
import os
import pathlib
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM = os.environ["PV_TEST_PROGRAM"]
SLOW_S = 60  # sanitizers and busy machines


def until(condition, what, timeout_s=SLOW_S):
    """Waits for something that must become true; returns how long it took."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > timeout_s:
            raise AssertionError(f"{what}: not after {timeout_s} s")
        time.sleep(0.01)
    return time.monotonic() - begin


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = pathlib.Path(f"/proc/{int(entry)}/stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry))
    return sorted(found)


def start_of(pid):
    """When a process started, by CLOCK_BOOTTIME in seconds, to a hundredth."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


class Client:
    """What Mesa's driver says first, and a ring."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(SLOW_S)
        self.socket.connect(path)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, command, *dwords):
        frame = struct.pack(f"<{2 + len(dwords)}I", len(dwords), command, *dwords)
        self.socket.sendall(frame)

    def read(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def reply(self, command):
        count, got = struct.unpack("<II", self.read(8))
        assert got == command, (got, command)
        return struct.unpack(f"<{count}I", self.read(4 * count))

    def descriptor(self):
        data, fds, _, _ = socket.recv_fds(self.socket, 1, 1)
        assert data == b"\0" and len(fds) == 1
        return fds[0]

    def greet(self, name="a test"):
        text = name.encode() + b"\0"
        self.socket.sendall(struct.pack("<II", len(text), 8) + text)
        self.send(10)
        self.send(7, 0, 0)
        assert self.reply(10) == () and self.reply(7) == (0,)
        self.send(11, 4)
        assert self.reply(11) == (4,)
        self.send(15, 1)
        assert self.reply(15) == (1, 64)
        self.send(16, 4, 0)
        return self.reply(16)

    def open(self, name="a test"):
        capset = self.greet(name)
        assert capset[0] == 1 and len(capset) == 41, capset
        self.send(17, 4)
        return self

    def blob(self, size):
        self.send(18, 2, 1, size & 0xFFFFFFFF, size >> 32, 0, 0)
        return self.reply(18)[0], self.descriptor()

    def submit(self, *commands):
        self.send(24, 1, 1, 9, len(commands), 9 + len(commands), 0, 0, 0, 0, *commands)

    def create_ring(self):
        """A ring as Mesa lays it out; returns its memory."""
        size = 131268
        resource, fd = self.blob(size)
        memory = mmap.mmap(fd, size)
        os.close(fd)
        self.submit(188, 0, 0x11, 0, 1, 0, 1000384000, 1, 0, 1000384006, 0, 0, 3000000, 0,
                    resource, 0, 0, size, 0, 1000000, 0, 0, 0, 64, 0, 128, 0, 192, 0, 131072, 0,
                    131264, 0, 4, 0)
        until(lambda: memory[128] & 4, "ALIVE")
        return memory


class Server:
    """A server on a socket in a folder of its own."""

    def __init__(self, *options, path=None):
        self.folder = tempfile.TemporaryDirectory()
        self.path = path or self.folder.name + "/s"
        self.log = open(self.folder.name + "/log", "w+b")
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--socket", self.path, *options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
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

    def workers(self):
        return children(self.process.pid)

    def wait_for_spare(self):
        until(lambda: "is ready" in self.said(), "a spare worker")


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=SLOW_S,
                          stdin=subprocess.DEVNULL, check=False, **options)


class Options(unittest.TestCase):
    def assert_refused(self, arguments, status=2, **options):
        result = run(*arguments, **options)
        self.assertEqual(result.returncode, status, (arguments, result.stderr))
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_help_and_version_are_everywhere(self):
        self.assertIn("serve", run("--help").stdout)
        for subcommand in ([], ["serve"], ["demo"], ["doctor"], ["coverage"]):
            self.assertRegex(run(*subcommand, "--version").stdout, r"^pearvisor \d+\.\d+\.\d+\n$")
            self.assertRegex(run(*subcommand, "--help").stdout, r"^Usage: pearvisor ")
        self.assertIn("--max-clients", run("serve", "--help").stdout)

    def test_wrong_ones_are_told_in_one_line(self):
        for arguments in (
                ["nonsense"], ["serve", "--nonsense"], ["serve", "nonsense"],
                ["serve", "--socket"], ["serve", "--socket="], ["serve", "--log", "loud"],
                ["serve", "--max-clients", "0"], ["serve", "--max-clients", "-1"],
                ["serve", "--wait", "long"],
                ["serve", "--max-clients", "9999999999999"], ["serve", "--max-clients", "2x"],
                ["serve", "--driver", "/nonexistent.json"], ["serve", "--print-env=yes"],
                ["serve", "--gpu", ""], ["serve", "--"], ["serve", "--print-env", "--", "true"],
                ["serve", "--default-socket", "--socket", "/tmp/x"],
                ["demo", "--nonsense"], ["doctor", "nonsense"], ["coverage", "--nonsense"]):
            self.assert_refused(arguments)

    def test_a_socket_needs_a_place(self):
        environment = {name: value for name, value in os.environ.items()
                       if name != "XDG_RUNTIME_DIR"}
        self.assert_refused(["serve"], status=1, env=environment)
        self.assert_refused(["serve", "--socket", "/tmp/" + "x" * 200], status=1)
        with tempfile.TemporaryDirectory() as folder:
            self.assert_refused(["serve", "--socket", folder + "/missing/s"], status=1)

    def test_worker_is_not_for_people(self):
        self.assert_refused(["worker"])


class Sockets(unittest.TestCase):
    def test_only_the_owner_can_connect(self):
        with Server() as server:
            mode = os.stat(server.path).st_mode
            self.assertTrue(stat.S_ISSOCK(mode))
            self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_a_stale_socket_is_replaced_and_a_live_one_is_not(self):
        with Server() as server:
            result = run("serve", "--socket", server.path)
            self.assertEqual(result.returncode, 1)
            self.assertIn("another server", result.stderr)
            server.process.kill()
            server.process.wait()
            self.assertTrue(os.path.exists(server.path))
            with Server(path=server.path) as heir:
                until(lambda: "listening" in heir.said(), "a new server")
                with Client(server.path) as client:
                    client.open()

    def test_a_file_of_another_kind_stays(self):
        with tempfile.NamedTemporaryFile() as file:
            result = run("serve", "--socket", file.name)
            self.assertEqual(result.returncode, 1)
            self.assertTrue(os.path.exists(file.name))

    def test_sigterm_leaves_nothing_behind(self):
        before = set(os.listdir("/dev/shm"))
        with Server("--log", "debug") as server:
            server.wait_for_spare()
            with Client(server.path) as client:
                client.open()
                memory = client.create_ring()
                workers = server.workers()
                self.assertGreaterEqual(len(workers), 1)
                server.process.terminate()
                self.assertEqual(server.process.wait(SLOW_S), 0)
                self.assertFalse(os.path.exists(server.path))
                for worker in workers:
                    self.assertFalse(os.path.exists(f"/proc/{worker}"))
                self.assertTrue(memory[128] & 2, "FATAL tells the client")
        self.assertEqual(set(os.listdir("/dev/shm")) - before, set())


class Workers(unittest.TestCase):
    def test_a_dead_worker_ends_its_client_only(self):
        with Server("--log", "debug") as server, Client(server.path) as other:
            other.open("the other")
            first = server.workers()
            with Client(server.path) as client:
                client.open()
                memory = client.create_ring()
                # The worker that came with this client is the one that maps its ring.
                victim = self.find_busy(server, first)
                client.send(23, 0, 0xFFFFFFFF, self.create_sync(client), 1, 0)
                self.assertEqual(client.reply(23), ())
                wait = client.descriptor()
                os.kill(victim, signal.SIGKILL)
                until(lambda: memory[128] & 2, "FATAL", 5)
                poll = select.poll()
                poll.register(wait, select.POLLIN)
                self.assertEqual(poll.poll(5000)[0][1], select.POLLHUP)
                os.close(wait)
                with self.assertRaises((ConnectionResetError, BrokenPipeError, EOFError)):
                    client.send(19, 0, 0)
                    client.reply(19)
            self.create_sync(other)
            self.assertIn("was killed by signal 9", server.said())

    @staticmethod
    def create_sync(client):
        client.send(19, 0, 0)
        return client.reply(19)[0]

    @staticmethod
    def find_busy(server, others):
        """The newest worker whose memory has a ring in it: only a served one has."""
        for worker in server.workers():
            maps = pathlib.Path(f"/proc/{worker}/maps").read_text()
            if "pearvisor" in maps and "memfd:" in maps and worker not in others[:1]:
                return worker
        return others[-1]

    def test_a_request_that_dies_with_its_worker_is_an_error(self):
        """Mesa's client spins for ever at an end of file, so there must not be one."""
        with Server("--log", "debug") as server, Client(server.path) as client:
            client.open()
            # A ring that never moves, a wait for it, and a blob that must come after the wait.
            client.create_ring()
            for worker in server.workers():
                os.kill(worker, signal.SIGSTOP)
            client.send(18, 2, 1, 4096, 0, 5, 0)
            for worker in server.workers():
                os.kill(worker, signal.SIGKILL)
            with self.assertRaises(ConnectionResetError):
                client.reply(18)

    def test_a_dead_client_leaves_nothing_within_a_second(self):
        with Server("--log", "debug") as server:
            server.wait_for_spare()
            code = ("import sys, time; sys.path.insert(0, sys.argv[1]); import serve_test as t\n"
                    "c = t.Client(sys.argv[2]).open(); m = c.create_ring(); print(1, flush=True)\n"
                    "time.sleep(1000)")
            here = str(pathlib.Path(__file__).parent)
            with subprocess.Popen([sys.executable, "-B", "-c", code, here, server.path],
                                  stdout=subprocess.PIPE) as client:
                self.assertEqual(client.stdout.readline(), b"1\n")
                until(lambda: server.said().count("is ready") >= 2, "the next spare worker")
                self.assertEqual(len(server.workers()), 2)
                client.kill()
                client.wait()
                took = until(lambda: len(server.workers()) == 1, "the worker's end")
                self.assertLess(took, 1.0)

    def test_a_worker_that_does_not_leave_is_ended(self):
        with Server("--log", "debug") as server:
            server.wait_for_spare()
            workers = server.workers()
            with Client(server.path) as client:
                client.open()
                os.kill(workers[0], signal.SIGSTOP)
            took = until(lambda: not os.path.exists(f"/proc/{workers[0]}"), "its end")
            self.assertLess(took, 5)

    def test_a_dead_spare_is_replaced(self):
        with Server("--log", "debug") as server:
            server.wait_for_spare()
            spare = server.workers()[0]
            os.kill(spare, signal.SIGSTOP)
            with Client(server.path) as client:
                # It may be given to the dead one, which has read nothing: another one serves it.
                until(lambda: len(server.workers()) == 2, "the next spare worker")
                os.kill(spare, signal.SIGKILL)
                client.open()

    def test_the_next_spare_leaves_the_cores_to_a_client_that_starts(self):
        with Server("--log", "debug") as server:
            server.wait_for_spare()
            began = time.monotonic()
            with Client(server.path):
                until(lambda: len(server.workers()) == 2, "the next spare worker")
                self.assertGreaterEqual(time.monotonic() - began, 0.1)

    def test_a_second_client_does_not_wait_for_the_first_to_start(self):
        took = []
        while not took or min(took) >= 0.1:  # a busy machine may be late now and then
            self.assertLess(len(took), 10, took)
            with Server("--log", "debug") as server:
                server.wait_for_spare()
                spares = server.workers()
                with Client(server.path), Client(server.path):
                    began = time.clock_gettime(time.CLOCK_BOOTTIME)
                    until(lambda server=server: len(server.workers()) >= 2, "a second worker")
                    started = [start_of(pid) for pid in server.workers() if pid not in spares]
                    took.append(min(started) - began)

    def test_twenty_clients_at_once(self):
        with tempfile.NamedTemporaryFile() as stats, \
                Server("--log", "debug", "--stats-json", stats.name) as server:
            failures = []
            met = threading.Barrier(20)

            def serve(number):
                try:
                    with Client(server.path) as client:
                        client.open(f"client {number}")
                        client.create_ring()
                        met.wait(SLOW_S)  # so all are there at the same time
                        Workers.create_sync(client)
                except Exception as failure:  # pylint: disable=broad-except
                    failures.append(failure)

            threads = [threading.Thread(target=serve, args=(i,)) for i in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(failures, [])
            until(lambda: len(server.workers()) <= 1, "the workers' end")
            until(lambda: pathlib.Path(stats.name).read_text().count("\n") == 20, "20 lines")
            lines = [json.loads(line) for line in pathlib.Path(stats.name).read_text().splitlines()]
            self.assertEqual({line["client"] for line in lines},
                             {f"client {i}" for i in range(20)})
            for line in lines:
                self.assertEqual(line["commands_by_name"].get("vkCreateRingMESA"), 1)
                self.assertEqual(sum(line["commands_by_kind"].values()), line["commands"])
                self.assertEqual(len(line["commands_by_kind"]), 8)
                self.assertGreater(line["ring_ns"], 0)
                self.assertLessEqual(line["ring_idle_ns"], line["ring_ns"])

    def test_clients_beyond_the_limit_wait(self):
        with Server("--log", "debug", "--max-clients", "1") as server:
            first = Client(server.path).open()
            with Client(server.path) as second:
                second.socket.settimeout(1)
                with self.assertRaises(TimeoutError):
                    second.greet()
                first.close()
            with Client(server.path) as third:
                third.open()

    def test_without_a_driver_a_client_finds_no_venus(self):
        with tempfile.NamedTemporaryFile(suffix=".json", mode="w") as manifest:
            json.dump({"file_format_version": "1.0.0",
                       "ICD": {"library_path": "/nonexistent.so", "api_version": "1.3.0"}},
                      manifest)
            manifest.flush()
            with Server("--driver", manifest.name) as server, Client(server.path) as client:
                self.assertEqual(client.greet(), (0,))

    def test_workers_start_with_a_clean_environment_and_closed_sandbox(self):
        environment = dict(os.environ, VN_DEBUG="vtest", VTEST_SOCKET_NAME="/tmp/nowhere",
                           VK_INSTANCE_LAYERS="VK_LAYER_nonsense", LD_LIBRARY_PATH="/tmp/nowhere",
                           VK_DRIVER_FILES="/tmp/nowhere.json")
        os.environ, saved = environment, os.environ
        try:
            server = Server("--log", "debug")
        finally:
            os.environ = saved
        with server:
            server.wait_for_spare()
            worker = server.workers()[0]
            variables = pathlib.Path(f"/proc/{worker}/environ").read_bytes()
            for name in (b"VN_DEBUG", b"VTEST_", b"VK_INSTANCE_LAYERS", b"LD_LIBRARY_PATH",
                         b"nowhere"):
                self.assertNotIn(name, variables)
            status = pathlib.Path(f"/proc/{worker}/status").read_text()
            self.assertIn("NoNewPrivs:\t1", status)
            self.assertIn("Seccomp:\t2", status)
            with Client(server.path) as client:
                client.open()


class Commands(unittest.TestCase):
    """`serve -- COMMAND`; needs Mesa's Venus driver to be installed, but not to work."""

    @classmethod
    def setUpClass(cls):
        if run("serve", "--socket", "/tmp/x", "--print-env").returncode != 0:
            raise unittest.SkipTest("Mesa's Venus driver is not installed")

    def test_its_status_is_ours(self):
        for script, status in (("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 128 + 9)):
            self.assertEqual(run("serve", "--", "sh", "-c", script).returncode, status)
        self.assertEqual(run("serve", "--", "/nonexistent/program").returncode, 127)
        self.assertEqual(run("serve", "--", "/etc/passwd").returncode, 126)

    def test_it_gets_the_variables_and_a_socket_that_goes_with_it(self):
        with tempfile.TemporaryDirectory() as runtime:
            script = "echo $VN_DEBUG; echo $VTEST_SOCKET_NAME; echo $VK_DRIVER_FILES; " \
                     "stat -c '%a %F' $VTEST_SOCKET_NAME $(dirname $VTEST_SOCKET_NAME)"
            result = run("serve", "--", "sh", "-c", script,
                         env=dict(os.environ, XDG_RUNTIME_DIR=runtime))
            lines = result.stdout.splitlines()
            self.assertEqual(lines[0], "vtest")
            self.assertTrue(lines[1].startswith(runtime + "/pearvisor-"))
            self.assertIn("virtio", lines[2])
            self.assertEqual(lines[3:], ["600 socket", "700 directory"])
            self.assertEqual(os.listdir(runtime), [])

    def test_a_signal_reaches_it_and_nothing_stays(self):
        with tempfile.TemporaryDirectory() as runtime:
            process = subprocess.Popen(
                [PROGRAM, "serve", "--", "sh", "-c",
                 "trap 'exit 5' TERM; echo up; sleep 100 & wait"],
                stdout=subprocess.PIPE, env=dict(os.environ, XDG_RUNTIME_DIR=runtime))
            self.assertEqual(process.stdout.readline(), b"up\n")
            process.terminate()
            self.assertEqual(process.wait(SLOW_S), 5)
            process.stdout.close()
            self.assertEqual(os.listdir(runtime), [])

    def test_printed_path_is_whole_and_survives_the_shell(self):
        with tempfile.TemporaryDirectory() as folder:
            printed = run("serve", "--socket", "it's $HOME", "--print-env", cwd=folder).stdout
            said = subprocess.run(["sh", "-c", printed + 'printf %s "$VTEST_SOCKET_NAME"'],
                                  capture_output=True, text=True, timeout=SLOW_S, check=True)
            self.assertEqual(said.stdout, os.path.realpath(folder) + "/it's $HOME")

    def test_printed_environment_is_for_a_shell_and_serve_works_inside_of_it(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/s"
            printed = run("serve", "--socket", path, "--print-env").stdout
            self.assertEqual(len(printed.splitlines()), 4)
            self.assertIn(f"export VTEST_SOCKET_NAME='{path}'\n", printed)
            server = subprocess.Popen(
                ["sh", "-c", printed + f'exec "{PROGRAM}" serve --socket "{path}"'])
            try:
                until(lambda: os.path.exists(path), "a socket")
                with Client(path) as client:
                    client.open()
            finally:
                server.terminate()
                self.assertEqual(server.wait(SLOW_S), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
