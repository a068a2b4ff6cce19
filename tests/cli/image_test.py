"""`pearvisor image build` with faked tools: what it refuses, what it keeps, what it leaves behind.

PV_TEST_PROGRAM names the program. No package is fetched and no root is needed: the programs that
would do it are replaced by one script, which notes how it was called.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["PV_TEST_PROGRAM"]
SLOW_S = 60  # sanitizers and busy machines

TOOLS = ("apt-get", "apt-cache", "apt-config", "arch-test", "mmdebstrap", "dpkg", "dpkg-deb",
         "mke2fs", "depmod", "cpio", "xz", "zstd", "fakeroot", "newuidmap")
# One script under all these names. FAKE_FAIL names a tool that fails with a line of apt's form,
# FAKE_HANG one that writes half of its result and waits.
FAKE = r"""#!/bin/sh
name=${0##*/}
echo "$name $*" >>"$FAKE_CALLS"
if [ "$name" = "$FAKE_FAIL" ]; then echo "$FAKE_LINE"; exit 100; fi
last() { for last; do :; done; }
case $name in
apt-get) case "$*" in
    *indextargets*) echo "Debian http://mirror.example/debian/" ;;
    *--print-uris*) echo "'http://mirror.example/k.deb' k.deb 1 SHA256:0" ;;
    *download\ *) : >k.deb ;;
    esac ;;
dpkg) echo "$FAKE_ARCH" ;;
apt-cache) case "$*" in *linux-image-7*) ;; *) echo "  Depends: linux-image-7.0-$PV_ARCH" ;; esac ;;
mmdebstrap)
    for file; do case $file in *.part) out=$file ;; esac; done
    echo half >"$out"
    [ "$FAKE_HANG" = mmdebstrap ] && echo $$ >"$FAKE_PID" && exec sleep 60
    tar -C "$FAKE_TREE" -cf "$out" . ;;
dpkg-deb) tar -C "$FAKE_KERNEL" -cf - . ;;
mke2fs) last "$@"; prev=; for file; do [ "$file" = "$last" ] && echo disk >"$prev"; prev=$file; done
    [ "$FAKE_HANG" = mke2fs ] && echo $$ >"$FAKE_PID" && exec sleep 60 ;;
cpio) cat >/dev/null; echo initrd ;;
xz | zstd) cat ;;
fakeroot) while [ "$1" != -- ]; do shift; done; shift; FAKEROOTKEY=1 exec "$@" ;;
esac
exit 0
"""


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


class Image(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for tool in TOOLS:
            write(self.root / "bin" / tool, FAKE, 0o755)
        tree = self.root / "tree"
        for name in ("etc/passwd", "etc/profile.d/x", "usr/sbin/x", "usr/bin/busybox"):
            write(tree / name, "root:*:0:0:root:/root:/bin/bash\n")
        write(tree / "var/lib/dpkg/status", "Package: mesa-vulkan-drivers\nVersion: 26.1\n\n")
        modules = self.root / "kernel/usr/lib/modules/7.0"
        write(modules / "vmlinuz", "k" * 2048)
        for name in ("fs/ext4/ext4", "drivers/gpu/drm/virtio/virtio-gpu"):
            write(modules / f"kernel/{name}.ko", "depends=\0")
        self.calls = self.root / "calls"
        self.hanging = self.root / "pid"
        self.hanging.touch()
        self.out = self.root / "image"
        self.environment = dict(
            os.environ, PATH=f"{self.root}/bin:{os.environ['PATH']}", FAKE_CALLS=str(self.calls),
            FAKE_TREE=str(tree), FAKE_KERNEL=str(self.root / "kernel"), FAKE_FAIL="", FAKE_HANG="",
            FAKE_LINE="", FAKE_ARCH="amd64", FAKE_PID=str(self.hanging), TMPDIR=str(self.root),
            HOME=str(self.root))

    def start(self, *arguments, **environment):
        self.calls.write_text("")
        command = [PROGRAM, "image", "build", "--cache", str(self.root / "cache"), "--mirror",
                   "http://mirror.example/debian", *arguments]
        return subprocess.Popen(command, env=dict(self.environment, **environment), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def build(self, *arguments, **environment):
        with self.start(*arguments, str(self.out), **environment) as process:
            output = process.communicate(timeout=SLOW_S)
        self.assertEqual(output[0], "")
        return process.returncode, output[1]

    def called(self, tool):
        return [line for line in self.calls.read_text().splitlines() if line.startswith(tool + " ")]

    def complaint(self, *arguments, status=1, **environment):
        """The one line of a build that fails, which must leave nothing behind."""
        self.calls.touch()
        before = sorted(self.root.iterdir())
        got, text = self.build(*arguments, **environment)
        self.assertEqual(got, status, text)
        lines = [line for line in text.splitlines() if line.startswith("pearvisor image: ")]
        self.assertEqual(len(lines), 1, text)
        left = set(self.root.iterdir()) - set(before) - {self.root / "cache"}
        self.assertEqual(left, set())
        return lines[0]

    def test_an_image_says_what_it_is(self):
        status, text = self.build("--arch", "aarch64")
        self.assertEqual(status, 0, text)
        image = json.loads((self.out / "image.json").read_text())
        image.pop("inputs")
        self.assertEqual(image, {
            "format": 1, "arch": "aarch64", "suite": "testing", "kernel": "7.0", "mesa": "26.1",
            "disk": "disk.img", "kernel_file": "vmlinuz", "initrd_file": "initrd.img"})
        self.assertEqual(sorted(path.name for path in self.out.iterdir()),
                         ["disk.img", "image.json", "initrd.img", "vmlinuz"])
        self.assertIn("--architectures=arm64", self.called("mmdebstrap")[0])

    def test_what_has_not_changed_is_not_built_again(self):
        self.assertEqual(self.build()[0], 0)
        status, text = self.build()
        self.assertEqual((status, self.calls.read_text()), (0, ""))
        self.assertIn("up to date", text)

    def test_another_size_needs_no_packages(self):
        self.assertEqual(self.build()[0], 0)
        self.assertEqual(self.build("--size", "2G")[0], 0)
        self.assertEqual(self.called("mmdebstrap") + self.called("apt-get"), [])
        self.assertIn(" 2048M", self.called("mke2fs")[0])

    def test_further_packages_are_installed(self):
        self.assertEqual(self.build()[0], 0)
        self.assertEqual(self.build("--include", "nano,strace")[0], 0)
        self.assertIn(",nano,strace", self.called("mmdebstrap")[0])

    def test_opengl_is_left_out_unless_asked_for(self):
        self.assertEqual(self.build()[0], 0)
        self.assertIn("path-exclude=/usr/lib/*/libLLVM*", self.called("mmdebstrap")[0])
        self.assertEqual(self.build("--gl")[0], 0)
        self.assertNotIn("LLVM", self.called("mmdebstrap")[0])

    def test_a_failed_stage_leaves_nothing_and_is_redone_alone(self):
        line = self.complaint(FAKE_FAIL="mke2fs", FAKE_LINE="E: no such disk")
        self.assertIn("disk: no such disk", line)
        self.assertEqual(self.build()[0], 0)
        self.assertEqual(self.called("mmdebstrap") + self.called("apt-get"), [])

    def test_a_killed_build_goes_on_from_its_last_whole_stage(self):
        for tool, redone in (("mmdebstrap", 1), ("mke2fs", 0)):
            for how in (signal.SIGTERM, signal.SIGKILL):
                with self.subTest(tool=tool, how=how):
                    self.interrupt(tool, how)
                    self.assertFalse(self.out.exists())
                    if how == signal.SIGTERM:
                        self.assertFalse((self.root / "image.part").exists())
                    status, text = self.build()
                    self.assertEqual(status, 0, text)
                    self.assertEqual(len(self.called("mmdebstrap")), redone)
                    self.assertEqual(self.called("apt-get"), [])
                    self.assertFalse((self.root / "image.part").exists())
                    subprocess.run(["rm", "-r", self.out], check=True)
                    if redone:
                        next(self.root.glob("cache/*/tree.key")).unlink()

    def interrupt(self, tool, how):
        with self.start(str(self.out), FAKE_HANG=tool) as process:
            self.wait_for_hanging()
            process.send_signal(how)
            process.communicate(timeout=SLOW_S)
        # What a killed program leaves running holds the cache's lock until it has ended.
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(self.hanging.read_text()), signal.SIGKILL)
        self.hanging.write_text("")

    def wait_for_hanging(self):
        begin = time.monotonic()
        while not self.hanging.read_text().endswith("\n"):
            self.assertLess(time.monotonic() - begin, SLOW_S)
            time.sleep(0.02)

    def test_an_image_is_replaced_only_by_a_whole_one(self):
        self.assertEqual(self.build()[0], 0)
        before = (self.out / "image.json").read_text()
        line = self.complaint("--size", "1G", FAKE_FAIL="mke2fs", FAKE_LINE="E: broken")
        self.assertIn("broken", line)
        self.assertEqual((self.out / "image.json").read_text(), before)

    def test_an_unknown_suite_is_told_in_apts_words(self):
        line = self.complaint("--suite", "nosuch", FAKE_FAIL="apt-get",
                              FAKE_LINE="E: The repository 'x nosuch Release' has no Release file.")
        self.assertIn("The repository 'x nosuch Release' has no Release file.", line)

    def test_a_foreign_guest_is_not_begun_where_its_programs_do_not_run(self):
        line = self.complaint("--arch", "aarch64", FAKE_FAIL="arch-test", FAKE_ARCH="amd64")
        self.assertIn("this machine cannot run arm64 programs", line)
        self.assertEqual(self.called("apt-get") + self.called("mmdebstrap"), [])
        self.assertEqual(self.build("--arch", "aarch64", FAKE_ARCH="amd64")[0], 0)
        self.assertEqual(self.called("arch-test"), ["arch-test arm64"])

    def test_a_guest_of_this_machines_kind_asks_for_no_emulator(self):
        status, text = self.build("--arch", "aarch64", FAKE_FAIL="arch-test", FAKE_ARCH="arm64")
        self.assertEqual(status, 0, text)

    def test_a_full_disk_is_told_as_such(self):
        line = self.complaint(FAKE_FAIL="mmdebstrap",
                              FAKE_LINE="tar: write error: No space left on device")
        self.assertIn("installing packages: No space left on device", line)

    def test_too_little_space_is_told_before_anything_is_fetched(self):
        line = self.complaint("--size", "1024G")
        self.assertRegex(line, r"\d+ MiB are free, and \d+ MiB are needed")
        self.assertEqual(self.calls.read_text(), "")

    def test_what_is_no_image_is_not_replaced(self):
        write(self.out / "letter", "dear")
        self.assertIn("not empty, and no image", self.complaint())
        self.assertEqual((self.out / "letter").read_text(), "dear")

    def test_a_file_in_the_place_of_a_folder_is_told(self):
        write(self.root / "file", "")
        self.out = self.root / "file/image"
        self.assertIn("file/image: Not a directory", self.complaint())

    def test_missing_programs_are_named_together(self):
        self.environment["PATH"] = str(self.root / "bin")
        for tool in ("mmdebstrap", "cpio"):
            (self.root / "bin" / tool).unlink()
        line = self.complaint()
        self.assertIn("mmdebstrap", line)
        self.assertIn("cpio", line)

    def test_two_builds_do_not_meet(self):
        with self.start(str(self.out), FAKE_HANG="mmdebstrap") as process:
            self.wait_for_hanging()
            self.out = self.root / "other"
            status, text = self.build()
            process.terminate()
            process.communicate(timeout=SLOW_S)
        self.assertEqual(status, 1)
        self.assertIn("another build is at work there", text)

    def test_wrong_options_are_told_in_one_line(self):
        for arguments, what in (
                (["--suite", "a b"], "--suite: not a suite's name"),
                (["--size", "4"], "--size: not a size"),
                (["--size", "1M"], "--size: not a size from"),
                (["--size", "99999999999999G"], "--size: not a size from"),
                (["--arch", "sparc"], "--arch: not x86_64 or aarch64"),
                (["--include", "x;y"], "--include: not a list of packages"),
                (["--include", "x" * 2000], "--include: not a list of packages"),
                (["--mirror", "nowhere"], "--mirror: not a mirror's URI"),
                (["--cache", ""], "--cache: the path is empty"),
                (["first"], "one folder is enough"),
                (["--nonsense"], "--nonsense: unknown option")):
            with self.subTest(arguments=arguments):
                self.assertIn(what, self.complaint(*arguments, status=2))
        for arguments in ([], ["burn"]):
            result = subprocess.run([PROGRAM, "image", *arguments], capture_output=True, text=True,
                                    check=False)
            self.assertEqual((result.returncode, result.stderr.count("\n")), (2, 1))


if __name__ == "__main__":
    unittest.main()
