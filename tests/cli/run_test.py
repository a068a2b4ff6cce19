"""`pearvisor run` from outside, with a QEMU that is a script (fake_qemu.py).

PV_TEST_PROGRAM names the program.
"""

import contextlib
import json
import os
import pathlib
import pty
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import time
import unittest

PROGRAM = os.environ["PV_TEST_PROGRAM"]
FAKE = str(pathlib.Path(__file__).parent / "fake_qemu.py")
SLOW_S = 60 # sanitizers and busy machines


class Case(unittest.TestCase):
    """A private place with an image, whose processes are known by a mark in their environment."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.image = self.folder / "image"
        self.image.mkdir()
        for name in ("disk.img", "vmlinuz", "initrd.img"):
            (self.image / name).write_text(name)
        self.manifest = {"format": 1, "arch": os.uname().machine, "disk": "disk.img",
                         "kernel_file": "vmlinuz", "initrd_file": "initrd.img"}
        self.write_manifest()
        (self.folder / "runtime").mkdir()
        (self.folder / ".ssh").mkdir()
        (self.folder / ".ssh" / "id.pub").write_text("ssh-ed25519 AAAA a,user\n")
        self.mark = f"PV_TEST_MARK={self.folder.name}"
        self.shm = set(os.listdir("/dev/shm"))

    def tearDown(self):
        self.assert_nothing_left()

    def write_manifest(self, **changes):
        self.manifest.update(changes)
        (self.image / "image.json").write_text(json.dumps(self.manifest))

    def environment(self, **changes):
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("DISPLAY", "WAYLAND_DISPLAY", "LD_LIBRARY_PATH")}
        environment.update({
            "PEARVISOR_QEMU": FAKE, "PEARVISOR_PROGRAM": FAKE, "PEARVISOR_VIRGL": "/nonexistent",
            "HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.folder / "runtime"),
            "PV_FAKE_LOG": str(self.folder / "log"), "PYTHONDONTWRITEBYTECODE": "1",
            "PV_TEST_MARK": self.folder.name})
        environment.update(changes)
        return environment

    def marked(self):
        found = []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError, ValueError):
                if self.mark.encode() in pathlib.Path(f"/proc/{int(entry)}/environ").read_bytes():
                    found.append(int(entry))
        return found

    def assert_nothing_left(self):
        deadline = time.monotonic() + SLOW_S
        while self.marked() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(self.marked(), [], "processes")
        self.assertEqual(os.listdir(self.folder / "runtime"), [], "files")
        self.assertEqual(set(os.listdir("/dev/shm")) - self.shm, set())

    def start(self, *arguments, play="", image=None, environment=None, **options):
        settings = self.environment(PV_FAKE_PLAY=play, **(environment or {}))
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([PROGRAM, "run", str(image or self.image), *arguments],
                                env=settings, **options)

    def run_it(self, *arguments, data=None, **options):
        if data is not None:
            options["stdin"] = subprocess.PIPE
        with self.start(*arguments, **options) as process:
            out, err = process.communicate(data, SLOW_S)
        return process.returncode, out, err.decode()

    def assert_fails(self, *arguments, says, status=1, **options):
        got, out, err = self.run_it(*arguments, **options)
        self.assertEqual(got, status, err)
        self.assertEqual(out, b"")
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn(says, err)
        self.assertTrue(err.startswith("pearvisor run: "), err)

    def noted(self, kind):
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]

    def until(self, condition, what):
        deadline = time.monotonic() + SLOW_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.01)


class Options(Case):
    def test_wrong_ones_are_told_in_one_line(self):
        for arguments in (
                ["--nonsense"], ["second-image"], ["--cpus", "0"], ["--cpus", "256"],
                ["--memory", "64M"], ["--memory", "2T"], ["--memory", "G"], ["--memory", "-1G"],
                ["--window", "3G"], ["--window", "8M"], ["--way", "gl"], ["--accel", "xen"],
                ["--ssh", "0"], ["--ssh", "65536"], ["--profile", "fast"], ["--net", "tap"],
                ["--display", ""], ["--share", ""], ["--disk", ""], ["--timeout", "soon"],
                ["--driver", "/nonexistent.json"], ["--gpu", ""], ["--"], ["--persist=yes"]):
            with self.subTest(arguments):
                self.assert_fails(*arguments, says="; see --help", status=2)

    def test_help_names_each(self):
        text = subprocess.run([PROGRAM, "run", "--help"], capture_output=True, check=True).stdout
        for option in (b"[IMAGE]", b"--cpus N", b"--way WAY", b"--dry-run", b"COMMAND"):
            self.assertIn(option, text)


class Refusals(Case):
    """What cannot work is told before anything runs."""

    def test_an_unknown_image(self):
        self.assert_fails(image="/nonexistent", says="/nonexistent: no such image")
        self.assert_fails(image=self.folder, says="not an image")

    def test_the_usual_image_is_in_the_users_data(self):
        with subprocess.Popen([PROGRAM, "run"], stderr=subprocess.PIPE,
                              env=self.environment(XDG_DATA_HOME="/nonexistent")) as process:
            self.assertIn(b"/nonexistent/pearvisor/image: no such image", process.stderr.read())
        self.assertEqual(process.returncode, 1)

    def test_a_broken_image(self):
        for changes, says in (({"format": 2}, "format"), ({"arch": "vax"}, "vax"),
                              ({"disk": "../disk.img"}, "names no disk"),
                              ({"kernel_file": "missing"}, "missing"),
                              ({"initrd_file": 3}, "names no initrd_file")):
            with self.subTest(changes):
                before = dict(self.manifest)
                self.write_manifest(**changes)
                self.assert_fails(says=says)
                self.write_manifest(**before)
        (self.image / "disk.img").write_text("")
        self.assert_fails(says="disk.img: the image is broken")
        (self.image / "image.json").write_text("{")
        self.assert_fails(says="not JSON")

    def test_no_qemu(self):
        self.assert_fails(says="no qemu-system-", environment={"PEARVISOR_QEMU": "", "PATH": "/x"})
        self.assert_fails("--qemu", "/nonexistent", says="/nonexistent: No such file")
        self.assert_fails("--qemu", "/bin/true", says="not QEMU")

    def test_qemu_too_old_for_both_ways(self):
        self.assert_fails(says="7.2.0, too old", environment={"PV_FAKE_VERSION": "7.2.0"})
        self.assert_fails("--way", "vhost-user", says="11.1, this is 10.0.2",
                          environment={"PV_FAKE_VERSION": "10.0.2"})
        self.assert_fails(says="neither built nor installed",
                          environment={"PV_FAKE_VERSION": "10.0.2"})

    def test_virgl_without_its_library(self):
        self.assert_fails("--way", "virgl", says="libvirglrenderer.so.1")

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
            self.assert_fails("--ssh", port, says=f"port {port} of 127.0.0.1 is taken")

    def test_ssh_without_a_public_key(self):
        private = self.folder / ".ssh" / "id"
        private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        self.assert_fails("--ssh", "2222", "--ssh-key", str(private), says="no public key in")
        self.assert_fails("--ssh", "2222", "--ssh-key", "/nonexistent", says="No such file")
        (self.folder / ".ssh" / "id.pub").unlink()
        self.assert_fails("--ssh", "2222", says="no public key in ~/.ssh/*.pub")

    def test_shares_and_disks_that_are_not_there(self):
        self.assert_fails("--share", "/nonexistent", says="--share /nonexistent: No such file")
        self.assert_fails("--share", FAKE, says="not a folder")
        self.assert_fails("--disk", "/nonexistent", says="--disk /nonexistent: No such file")

    @unittest.skipIf(os.geteuid() == 0, "root reads everything")
    def test_an_unreadable_share(self):
        locked = self.folder / "locked"
        locked.mkdir(mode=0)
        self.assert_fails("--share", str(locked), says="Permission denied")

    def test_more_memory_than_the_machine_has(self):
        self.assert_fails("--memory", "1024G", says="this machine has")


class DryRun(Case):
    def lines(self, *arguments, environment=None):
        status, out, err = self.run_it("--dry-run", *arguments, environment=environment)
        self.assertEqual(status, 0, err)
        self.assertEqual(self.noted("qemu"), [])
        return out.decode(), err

    def fake_virgl(self):
        (self.folder / "libvirglrenderer.so.1").write_text("")
        return {"PV_FAKE_VERSION": "9.2.0", "PEARVISOR_VIRGL": str(self.folder)}

    def test_prints_what_a_shell_takes(self):
        odd = self.folder / "it's, odd"
        odd.mkdir()
        out, err = self.lines("--share", str(odd), "--ssh", "2222", "--memory", "512M")
        qemu = out[out.index("# The virtual machine"):].split("\n", 1)[1]
        script = f"set -- {qemu}\nprintf '%s\\n' \"$@\""
        words = subprocess.run(["sh", "-c", script], capture_output=True, text=True,
                               check=True).stdout.splitlines()
        self.assertIn("memory-backend-memfd,id=mem,size=512M,share=on", words)
        self.assertIn(f"local,id=share,path={str(odd).replace(',', ',,')},security_model=none,"
                      "multidevs=remap", words)
        self.assertIn("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22", words)
        self.assertIn("name=opt/pearvisor/keys,string=ssh-ed25519 AAAA a,,user", words)
        self.assertIn("virtio-9p-pci,fsdev=share,mount_tag=share", words)
        self.assertIn("pearvisor vhost-user \\\n    --socket ", out)
        self.assertRegex(err, r"QEMU 11\.1\.2, through vhost-user \(.*\), emulated \(.*\)\n$")

    def test_a_guest_has_no_network_unless_asked(self):
        self.assertIn("-nic none", self.lines()[0])
        self.assertIn("-netdev user,id=net \\\n", self.lines("--net", "user")[0])

    def test_the_image_is_written_to_only_when_asked(self):
        self.assertIn("readonly=on", self.lines()[0])
        out = self.lines("--persist")[0]
        self.assertNotIn("readonly=on", out)
        self.assertIn("root=/dev/vda rw", out)
        self.assertIn("pearvisor.persist=1", out)

    def test_an_older_qemu_gets_the_library(self):
        out, err = self.lines(environment=self.fake_virgl())
        self.assertIn("through libvirglrenderer (vhost-user takes QEMU 11.1, this is 9.2.0)", err)
        self.assertIn(f"LD_LIBRARY_PATH={self.folder} \\\n", out)
        self.assertIn("-device virtio-gpu-gl-pci,blob=on,hostmem=4096M,venus=on", out)

    def test_a_display_needs_the_library(self):
        out, err = self.lines("--display", "gtk", environment={
            **self.fake_virgl(), "PV_FAKE_VERSION": "11.1.2", "DISPLAY": ":77"})
        self.assertIn("vhost-user shows nothing on a display", err)
        self.assertIn("-display gtk,gl=on", out)
        self.assertNotIn("Xvfb", out)

    def test_arm64_guests_by_the_same_code(self):
        self.write_manifest(arch="aarch64")
        out, err = self.lines()
        self.assertIn("-machine virt,gic-version=max,memory-backend=mem", out)
        self.assertIn("console=ttyAMA0", out)
        if os.uname().machine == "x86_64":
            self.assertIn("emulated (the guest is aarch64, this machine x86_64)", err)

    def test_profiles_reach_the_guest(self):
        self.assertIn("pearvisor.profile=tuned", self.lines()[0])
        self.assertIn("pearvisor.profile=stock", self.lines("--profile", "stock")[0])


class Commands(Case):
    def test_status_and_output_are_the_commands(self):
        self.assertEqual(self.run_it("--", "sh", "-c", "echo out; echo err >&2; exit 7"),
                         (7, b"out\n", "err\n"))

    def test_a_signal_is_128_and_its_number(self):
        self.assertEqual(self.run_it("--", "sh", "-c", "kill -9 $$")[0], 137)

    def test_an_unknown_command_is_127(self):
        self.assertEqual(self.run_it("--", "no-such-command-here")[0], 127)

    def test_arguments_arrive_as_they_are(self):
        odd = ["it's", "two words", "", "$HOME", "a\nb", "\\", "\"", "*", "--help"]
        status, out, _ = self.run_it("--", "printf", "[%s]", *odd)
        self.assertEqual((status, out.decode()), (0, "".join(f"[{word}]" for word in odd)))

    def test_large_output_arrives_whole(self):
        script = "head -c 8000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero >&2"
        status, out, err = self.run_it("--", "sh", "-c", script)
        self.assertEqual((status, len(out), out.strip(b"x"), len(err)), (0, 8000000, b"", 3000000))

    def test_output_waits_for_a_slow_reader(self):
        with self.start("--", "head", "-c", "3000000", "/dev/zero") as process:
            time.sleep(2)
            self.assertIsNone(process.poll())
            self.assertEqual(len(process.stdout.read()), 3000000)
        self.assertEqual(process.returncode, 0)

    def test_output_that_the_status_overtakes_is_waited_for(self):
        script = "(sleep 1; printf end) & exit 5"
        self.assertEqual(self.run_it("--", "sh", "-c", script, play="hasty")[:2], (5, b"end"))

    def test_input_arrives_whole_and_ends(self):
        data = bytes(range(256)) * 20000
        status, out, _ = self.run_it("--", "cat", data=data)
        self.assertEqual((status, out == data), (0, True))
        self.assertEqual(self.run_it("--", "wc", "-c")[:2], (0, b"0\n"))

    def test_a_reader_that_leaves_ends_it(self):
        with self.start("--", "yes") as process:
            process.stdout.read(10)
            process.stdout.close()
            self.assertEqual(process.wait(SLOW_S), 128 + signal.SIGPIPE)

    def test_a_full_disk_is_told(self):
        with open("/dev/full", "wb") as full:
            process = self.start("--", "echo", "hello", stdout=full)
            _, err = process.communicate(timeout=SLOW_S)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"cannot write what the guest says: No space left", err)

    def test_is_quiet_but_where_asked(self):
        self.assertEqual(self.run_it("--", "true"), (0, b"", ""))
        _, _, err = self.run_it("--verbose", "--", "true")
        for words in ("through vhost-user", "Booting", "s: kernel", "s: ready",
                      "the guest has Virtio-GPU Venus (Fake)"):
            self.assertIn(words, err)

    def test_what_qemu_says_of_each_mapping_is_not_shown(self):
        _, _, err = self.run_it("--verbose", "--", "true", play="noisy")
        self.assertNotIn("Input/output error", err)
        self.assertIn("vhost_set_mem_table failed: Bad file descriptor (9)\n", err)

    def test_qemu_may_have_as_many_descriptors_as_we_may(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.run_it("--", "true")
        self.assertEqual(self.noted("qemu")[0]["descriptors"], [hard, hard])

    def test_the_backend_gets_the_gpu(self):
        self.run_it("--gpu", "Fake", "--window", "256M", "--", "true")
        arguments = self.noted("backend")[0]["arguments"]
        self.assertEqual(arguments[-4:], ["--gpu", "Fake", "--window", "256M"])

    def test_a_guest_that_keeps_things_is_powered_off(self):
        self.run_it("--", "true")
        self.run_it("--persist", "--", "true")
        self.run_it("--share", str(self.folder), "--", "true")
        self.assertEqual([entry["reason"] for entry in self.noted("left")],
                         ["quit", "guest-shutdown", "guest-shutdown"])

    def test_no_venus_is_a_warning(self):
        status, out, err = self.run_it("--", "echo", "on", play="no-venus")
        self.assertEqual((status, out), (0, b"on\n"))
        self.assertEqual(err, "pearvisor run: warning: the guest has no Venus: the driver?[2J is "
                              "not installed\n")
        self.assertEqual(self.run_it("--way", "none", "--", "true", play="no-venus")[2], "")


class Failures(Case):
    def test_a_missing_window(self):
        self.assert_fails("--", "true", play="no-window", says="no window to host memory")

    def test_a_kernel_panic(self):
        for play in ("panics", "panics hangs"):
            self.assert_fails("--", "true", play=play,
                              says="kernel panicked: VFS: Unable to mount root fs")

    def test_a_guest_without_its_disk(self):
        self.assert_fails("--", "true", play="no-disk", says="there is no disk /dev/vda")

    def test_qemu_that_pauses(self):
        self.assert_fails("--accel", "kvm", "--", "true", play="pauses",
                          says="internal error of KVM")

    def test_no_space_for_the_guests_disk(self):
        self.assert_fails("--persist", "--", "true", play="disk-full", says="no space left")

    def test_qemu_that_dies(self):
        self.assert_fails("--", "true", play="dies", says="(status 1: qemu: the board is on fire)")
        self.assert_fails("--", "true", play="crashes", says="killed by signal 11")

    def test_a_backend_that_dies_is_told_with_its_last_words_but_for_remarks(self):
        self.assert_fails("--", "sleep", "100", play="backend-dies",
                          says="backend ended (status 3: pearvisor vhost-user: no such GPU)")

    def test_a_boot_that_takes_too_long(self):
        self.assert_fails("--timeout", "1", "--", "true", play="silent", says="within 1 s")

    def test_qemu_that_dies_under_a_command(self):
        status, _, err = self.run_it("--", "sh", "-c", "kill -9 $PPID")
        self.assertEqual(status, 1)
        self.assertIn("QEMU ended (killed by signal 9)", err)


class Accelerators(Case):
    """An accelerator that does not run the guest; hvf, which no device file is asked for."""

    def test_emulation_is_the_second_try(self):
        for play, why in (("pauses", "internal error of HVF"), ("panics", "panicked"),
                          ("dies", "on fire"), ("crashes", "signal 11")):
            with self.subTest(play):
                (self.folder / "log").unlink(missing_ok=True)
                status, out, err = self.run_it("--", "cat", play=play + " accelerated",
                                               environment={"PV_FAKE_ACCELS": "tcg hvf"},
                                               data=b"input")
                self.assertEqual((status, out), (0, b"input"), err)
                self.assertEqual(len(err.splitlines()), 1, err)
                self.assertIn("hvf cannot run this guest", err)
                self.assertIn(why, err)
                accelerators = [entry["arguments"][entry["arguments"].index("-accel") + 1]
                                for entry in self.noted("qemu")]
                self.assertEqual(accelerators, ["hvf", "tcg"])

    def test_what_fails_emulated_too_is_told(self):
        status, _, err = self.run_it("--", "true", play="dies",
                                     environment={"PV_FAKE_ACCELS": "hvf"})
        self.assertEqual(status, 1)
        self.assertEqual(len(err.splitlines()), 2, err)

    def test_a_forced_one_is_not_left(self):
        self.assert_fails("--accel", "hvf", "--", "true", play="panics accelerated",
                          says="panicked", environment={"PV_FAKE_ACCELS": "hvf"})
        self.assertEqual(len(self.noted("qemu")), 1)


class Signals(Case):
    def start_sleeper(self, **options):
        process = self.start("--", "sh", "-c", "echo on; exec sleep 1000", **options)
        self.assertEqual(process.stdout.readline(), b"on\n")
        return process

    def end(self, process, number):
        with process:
            process.send_signal(number)
            process.communicate(timeout=SLOW_S)
        return process.returncode

    def test_the_guest_is_powered_off(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.assertEqual(self.end(self.start_sleeper(), number), 128 + number)
            self.assertEqual(self.noted("left").pop()["reason"], "guest-shutdown")

    def test_a_guest_that_does_not_listen_is_ended(self):
        began = time.monotonic()
        self.assertEqual(self.end(self.start_sleeper(play="deaf stubborn"), signal.SIGTERM), 143)
        self.assertGreater(time.monotonic() - began, 4)

    def test_a_second_signal_does_not_wait(self):
        process = self.start_sleeper(play="deaf stubborn")
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        began = time.monotonic()
        self.assertEqual(self.end(process, signal.SIGINT), 130)
        self.assertLess(time.monotonic() - began, 4)

    def test_a_boot_can_be_ended(self):
        process = self.start("--", "true", play="silent")
        self.until(lambda: self.noted("qemu"), "a start")
        self.assertEqual(self.end(process, signal.SIGTERM), 143)

    def test_nothing_outlives_a_run_that_is_killed(self):
        process = self.start_sleeper()
        self.assertEqual(self.end(process, signal.SIGKILL), -9)

    def test_nor_does_what_a_wrapper_script_has_started(self):
        wrapper = self.folder / "wrapper"
        wrapper.write_text(f'#!/bin/sh\ntrap "" TERM\n{FAKE} "$@"\nexit $?\n')
        wrapper.chmod(0o755)
        process = self.start_sleeper(environment={"PEARVISOR_QEMU": str(wrapper)})
        self.assertEqual(self.end(process, signal.SIGKILL), -9)


class Terminal:
    """A run on a terminal of its own."""

    def __init__(self, case, *arguments, **options):
        self.main, self.other = pty.openpty()
        self.before = termios.tcgetattr(self.other)
        self.text = b""
        self.process = case.start(*arguments, stdin=self.other, stdout=self.other,
                                  stderr=self.other, **options)

    def wait_for(self, words):
        deadline = time.monotonic() + SLOW_S
        while words not in self.text:
            ready, _, _ = select.select([self.main], [], [], 0.1)
            if ready:
                self.text += os.read(self.main, 65536)
            assert time.monotonic() < deadline, self.text

    def is_raw(self):
        return not termios.tcgetattr(self.other)[3] & termios.ICANON

    def type(self, data):
        os.write(self.main, data)

    def close(self):
        """The exit status; the terminal must be as it was."""
        status = self.process.wait(SLOW_S)
        assert termios.tcgetattr(self.other) == self.before
        os.close(self.main)
        os.close(self.other)
        return status


class Consoles(Case):
    def open(self, *arguments, **options):
        terminal = Terminal(self, *arguments, **options)
        terminal.wait_for(b"guest# ")
        self.assertTrue(terminal.is_raw())
        return terminal

    def test_keys_reach_the_guest_and_its_end_is_ours(self):
        terminal = self.open()
        for words in (b"Ctrl-A X", b"Booting", b"s: ready", b"through vhost-user"):
            terminal.wait_for(words)
        terminal.type(b"\x03")
        terminal.wait_for(b"<\x03>")
        terminal.type(b"off\r")
        self.assertEqual(terminal.close(), 0)

    def test_ctrl_a_x_ends_it(self):
        terminal = self.open()
        terminal.type(b"\x01\x01")
        terminal.wait_for(b"<\x01>")
        terminal.type(b"\x01x")
        self.assertEqual(terminal.close(), 0)
        self.assertEqual(self.noted("left").pop()["reason"], "guest-shutdown")

    def test_a_panic_is_told_and_a_reboot_too(self):
        terminal = self.open()
        terminal.type(b"panic\r")
        terminal.wait_for(b"kernel panicked: asked for")
        self.assertEqual(terminal.close(), 1)
        terminal = self.open()
        terminal.type(b"again\r")
        terminal.wait_for(b"the guest rebooted")
        self.assertEqual(terminal.close(), 0)

    def test_the_terminal_is_restored_after_a_signal(self):
        terminal = self.open()
        terminal.process.send_signal(signal.SIGTERM)
        self.assertEqual(terminal.close(), 143)

    def test_the_terminal_is_restored_when_qemu_dies(self):
        terminal = self.open()
        os.kill(self.noted("qemu")[0]["pid"], signal.SIGKILL)
        terminal.wait_for(b"QEMU ended (killed by signal 9)")
        self.assertEqual(terminal.close(), 1)

    def test_a_terminal_that_goes_takes_the_guest_with_it(self):
        terminal = self.open()
        os.close(terminal.main)
        os.close(terminal.other)
        self.assertEqual(terminal.process.wait(SLOW_S), 128 + signal.SIGHUP)

    def test_input_that_is_no_terminal_waits_for_the_guest(self):
        status, out, _ = self.run_it(data=b"say this\noff\n")
        self.assertEqual(status, 0)
        self.assertIn(b"<say this\n", out)

    def test_a_command_on_a_terminal_leaves_it_as_it_is(self):
        terminal = Terminal(self, "--", "sh", "-c", "echo begun; sleep 1")
        terminal.wait_for(b"begun")
        self.assertFalse(terminal.is_raw())
        self.assertEqual(terminal.close(), 0)


@unittest.skipIf(shutil.which("Xvfb") is None, "no Xvfb here")
class Displays(Case):
    def test_a_gl_device_gets_a_display_that_nobody_sees(self):
        (self.folder / "libvirglrenderer.so.1").write_text("")
        status, _, err = self.run_it("--way", "virgl", "--display", "sdl", "--gpu", "Fake", "--",
                                     "true", environment={"PEARVISOR_VIRGL": str(self.folder)})
        self.assertEqual(status, 0, err)
        environment = self.noted("qemu")[0]["environment"]
        self.assertEqual(environment["LD_LIBRARY_PATH"], str(self.folder))
        self.assertEqual(environment["PEARVISOR_GPU"], "Fake")
        self.assertRegex(environment["DISPLAY"], r"^:\d+$")
        self.assertTrue(environment["XAUTHORITY"].startswith(str(self.folder)))
        number = environment["DISPLAY"][1:]
        self.assertFalse(os.path.exists(f"/tmp/.X11-unix/X{number}"))
        self.assertFalse(os.path.exists(f"/tmp/.X{number}-lock"))


if __name__ == "__main__":
    unittest.main()
