#!/usr/bin/env python3
"""A QEMU without a machine, for run_test.py: answers what `pearvisor run` asks, opens the sockets
that its command line names, and plays the guest's agent, which runs commands on the host.

PV_FAKE_PLAY says what happens, PV_FAKE_LOG where each command line is noted (as JSON, a line each).
With "vhost-user" as its first argument it is the backend.
"""

import ctypes
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time

PLAY = os.environ.get("PV_FAKE_PLAY", "").split()
DEVICES = os.environ.get("PV_FAKE_DEVICES", "vhost-user-test-device-pci virtio-gpu-gl-pci").split()


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def note(kind, **more):
    with open(os.environ["PV_FAKE_LOG"], "a", encoding="utf-8") as log:
        print(json.dumps({"kind": kind, "pid": os.getpid(), "arguments": sys.argv[1:], **more}),
              file=log, flush=True)


def answer():
    if "--version" in sys.argv:
        version = os.environ.get("PV_FAKE_VERSION", "11.1.2")
        print(f"QEMU emulator version {version} (a fake)\nCopyright")
    elif "-device" in sys.argv:
        for device in DEVICES:
            print(f'name "{device}", bus PCI')
    else:
        print("Accelerators supported in QEMU binary:")
        print(os.environ.get("PV_FAKE_ACCELS", "tcg").replace(" ", "\n"))


class Machine:
    def __init__(self):
        text = " ".join(sys.argv)
        self.sockets = {name: socket.socket(fileno=int(fd))
                        for name, fd in re.findall(r"socket,id=(\w+),fd=(\d+)", text)}
        self.control = self.sockets["control"]
        self.monitor = self.sockets["monitor"]
        self.append = sys.argv[sys.argv.index("-append") + 1]
        emulated = sys.argv[sys.argv.index("-accel") + 1] == "tcg"
        self.play = PLAY if not ("accelerated" in PLAY and emulated) else []
        self.lock = threading.Lock()
        self.pending = b""

    def event(self, name, **data):
        self.monitor.sendall(json.dumps({"event": name, "data": data}).encode() + b"\r\n")

    def tell(self, line):
        self.control.sendall(line.encode() + b"\n")

    def console(self, text):
        self.sockets["console"].sendall(text.encode() + b"\r\n")

    def leave(self, reason, status=0):
        with self.lock:
            self.event("SHUTDOWN", guest=True, reason=reason)
            note("left", reason=reason)
            os._exit(status)

    def boot(self):
        self.monitor.sendall(b'{"QMP": {"version": {}, "capabilities": []}}\r\n')
        self.console("Booting")
        if "dies" in self.play:
            print("qemu: warning: nothing of note", file=sys.stderr)
            print("qemu: the board is on fire", end="", file=sys.stderr, flush=True)
            os._exit(1)
        if "crashes" in self.play:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "panics" in self.play:
            self.console("[    1.5] Kernel panic - not syncing: VFS: Unable to mount root fs")
            self.console("[    1.6] ---[ end Kernel panic - not syncing: VFS ]---")
            if "hangs" not in self.play:
                self.leave("guest-reset")
        if "pauses" in self.play:
            print("KVM internal error. Suberror: 1", file=sys.stderr, flush=True)
            self.event("STOP")
        if "disk-full" in self.play:
            self.event("BLOCK_IO_ERROR", device="root", nospace=True)
            self.event("STOP")
        if any(word in self.play for word in ("silent", "pauses", "hangs", "disk-full")):
            return
        if "noisy" in self.play:
            for line in ("vhost_set_mem_table failed: Input/output error (5)",
                         "vhost_set_mem_table failed: Bad file descriptor (9)"):
                print("qemu-system-x86_64: " + line, file=sys.stderr, flush=True)
        self.tell("stage kernel")
        if "no-disk" in self.play:
            self.tell("stage failed: there is no disk /dev/vda")
            self.leave("guest-shutdown")
        self.tell("stage gpu")
        self.tell({"no-window": "no-venus the device has no window to host memory",
                   "no-venus": "no-venus the driver\x1b[2J is not installed"}.get(
                       self.play[0] if self.play else "", "venus Virtio-GPU Venus (Fake)"))
        self.tell("ready")
        if "console=1" in self.append:
            self.console("guest# ")
            threading.Thread(target=self.serve_console, daemon=True).start()

    def serve_console(self):
        console = self.sockets["console"]
        while data := console.recv(4096):
            console.sendall(b"<" + data.replace(b"\r", b"\n") + b">")
            for word, reason in ((b"off", "guest-shutdown"), (b"again", "guest-reset")):
                if word in data:
                    self.leave(reason)
            if b"panic" in data:
                self.console("Kernel panic - not syncing: asked for")
                self.leave("guest-reset")

    def pump(self, pipe, port, counts):
        total = 0
        while data := pipe.read1(65536):
            total += len(data)
            self.sockets[port].sendall(data)
        counts[port] = total

    def run(self, script):
        process = subprocess.Popen(["sh", "-c", script], stdin=self.sockets["stdin"].fileno(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=die_with_parent)
        counts = {}
        pumps = [threading.Thread(target=self.pump, args=(pipe, port, counts), daemon=True)
                 for pipe, port in ((process.stdout, "stdout"), (process.stderr, "stderr"))]
        for pump in pumps:
            pump.start()
        if "hasty" in self.play: # the status overtakes the output, which the counts tell
            status = process.wait()
            self.tell(f"exit {status} 3 0")
            return
        for pump in pumps:
            pump.join()
        status = process.wait()
        self.tell(f"exit {status if status >= 0 else 128 - status}"
                  f" {counts['stdout']} {counts['stderr']}")

    def read_line(self):
        while b"\n" not in self.pending:
            data = self.control.recv(4096)
            if not data:
                return None
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode()

    def serve_agent(self):
        while (line := self.read_line()) is not None:
            word, _, length = line.partition(" ")
            if word == "run":
                while len(self.pending) < int(length):
                    self.pending += self.control.recv(4096)
                script, self.pending = (self.pending[:int(length)], self.pending[int(length):])
                threading.Thread(target=self.run, args=(script,), daemon=True).start()
            elif word == "poweroff" and "deaf" not in self.play:
                self.leave("guest-shutdown")

    def serve_monitor(self):
        for line in self.monitor.makefile("rb"):
            command = json.loads(line)["execute"]
            if command == "query-status":
                status = "internal-error" if "pauses" in self.play else "io-error"
                self.monitor.sendall(json.dumps({"return": {"status": status}}).encode() + b"\r\n")
            elif command == "quit" and "stubborn" not in self.play:
                note("left", reason="quit")
                os._exit(0)

    def live(self):
        threading.Thread(target=self.serve_monitor, daemon=True).start()
        threading.Thread(target=self.serve_agent, daemon=True).start()
        self.boot()
        while True:
            time.sleep(1000)


def be_backend():
    note("backend")
    gpu = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
    if "backend-dies" in PLAY:
        time.sleep(0.5)
        print("pearvisor vhost-user: no such GPU", file=sys.stderr)
        for kind in ("warning", "warn", "info", "debug"):
            print(f"pearvisor: {kind}: nothing of note", file=sys.stderr)
        sys.exit(3)
    select.select([gpu], [], [])


if "help" in sys.argv or "--version" in sys.argv:
    answer()
elif sys.argv[1] == "vhost-user":
    be_backend()
else:
    note("qemu", descriptors=resource.getrlimit(resource.RLIMIT_NOFILE),
         environment={name: os.environ.get(name) for name in
                              ("LD_LIBRARY_PATH", "DISPLAY", "XAUTHORITY", "PEARVISOR_GPU")})
    if "stubborn" in PLAY:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Machine().live()
