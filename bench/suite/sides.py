"""The sides that are compared: the driver itself, and servers that stand before it.

A side is an environment for the client and, except for the driver itself, a server that runs
beside it. A client's processes and the server's are looked at through /proc.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

TUNED = {"VN_PERF": "no_fence_feedback,no_semaphore_feedback"}
# Whatever chooses drivers or caches is ours to say.
OURS = re.compile(r"^(VK_|VN_|VTEST_|MESA_|LD_PRELOAD$)")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def clean_environment():
    environment = {k: v for k, v in os.environ.items() if not OURS.match(k)}
    environment["MESA_SHADER_CACHE_DISABLE"] = "true"
    return environment


class Server:
    """A server on a socket of its own, with all of its processes on given cores."""

    def __init__(self, name, command, socket, log, cores=None, environment=()):
        self.name = name
        self.socket = socket
        self.log = log
        pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env={**clean_environment(), **dict(environment)}, preexec_fn=pin)
        self._wait_for_socket()

    def _wait_for_socket(self):
        end = time.monotonic() + 20
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"{self.name} does not listen: {tail(self.log)}")
            time.sleep(0.02)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Side:
    def __init__(self, name, environment, server=None, cores=None):
        self.name = name
        self.environment = {**clean_environment(), **environment}
        self.server = server
        self.cores = cores

    def tuned(self, suffix=" tuned"):
        return Side(self.name + suffix, {**self.environment, **TUNED}, self.server, self.cores)


def client_environment(program, socket, client_driver):
    """What `serve --print-env` tells clients; client_driver replaces the Venus driver's file."""
    printed = subprocess.run([program, "serve", "--print-env", "--socket", socket],
                             capture_output=True, text=True, check=False)
    found = dict(re.findall(r"^export (\w+)='([^']*)'$", printed.stdout, re.M))
    if client_driver:
        found = {"VN_DEBUG": "vtest", "VTEST_SOCKET_NAME": socket}
        found["VK_DRIVER_FILES"] = found["VK_ICD_FILENAMES"] = client_driver
    if "VK_DRIVER_FILES" not in found:
        raise RuntimeError("no Venus driver: " + (last_line(printed.stderr) or "none was found"))
    return found


def start_pearvisor(program, scratch, driver, client_driver, name="PearVisor", options=(),
                    cores=None):
    label = re.sub(r"\W+", "-", name)
    socket = os.path.join(scratch, label + ".sock")
    # One client at a time: else the server gets the next one's worker ready while this one is
    # measured, which takes half a second of a core.
    command = [program, "serve", "--socket", socket, "--log", "warn", "--max-clients", "1",
               *options]
    if driver:
        command += ["--driver", driver]
    server = Server(name, command, socket, os.path.join(scratch, label + ".log"), cores)
    return Side(name, client_environment(program, socket, client_driver), server, cores)


def offers_wait(program):
    usage = subprocess.run([program, "serve", "--help"], capture_output=True, text=True,
                           check=False)
    return "--wait" in usage.stdout


def virglrenderer_reason():
    """Why a virglrenderer cannot be measured beside us; None if it can."""
    program = shutil.which("virgl_test_server")
    if not program:
        return "no virgl_test_server on PATH"
    usage = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    if "--venus" not in usage.stdout + usage.stderr:
        return f"{program} was built without Venus"
    return None


def start_virglrenderer(scratch, driver, environment):
    """environment: what PearVisor's client has; only the socket differs."""
    name = "virglrenderer"
    socket = os.path.join(scratch, name + ".sock")
    command = [shutil.which("virgl_test_server"), "--venus", "--no-virgl", "--multi-clients",
               "--socket-path", socket]
    server = Server(name, command, socket, os.path.join(scratch, name + ".log"),
                    environment={"VK_DRIVER_FILES": driver, "VK_ICD_FILENAMES": driver})
    return Side(name, {**environment, "VTEST_SOCKET_NAME": socket}, server)


# --- one run of the client ------------------------------------------------------------------------

class Run:
    """What came of one run: lines of figures, what threads did between marks, or an error."""

    def __init__(self):
        self.figures = []
        self.windows = {}
        self.error = None


def run_client(client, side, measurement, milliseconds, limit_s):
    """Never raises: what goes wrong is the run's error."""
    run = Run()
    pin = (lambda: os.sched_setaffinity(0, side.cores)) if side.cores else None
    with tempfile.TemporaryFile("w+") as errors, subprocess.Popen(
            [client, measurement, "--ms", str(milliseconds), "--marks"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            env=side.environment, text=True, preexec_fn=pin) as process:
        late = threading.Event()
        killer = threading.Timer(limit_s, lambda: (late.set(), process.kill()))
        killer.start()
        try:
            watch(process, side, run)
        except (ValueError, KeyError, OSError) as fault:
            run.error = f"unreadable line: {fault}"
            process.kill()
        status = process.wait()
        killer.cancel()
        errors.seek(0)
        said = last_line(errors.read())
    if late.is_set():
        run.error = f"took longer than {limit_s} s"
    elif not run.error and status != 0:
        run.error = said or f"ended with status {status}"
    elif not run.error and not run.figures:
        run.error = "said nothing"
    return run


def watch(process, side, run):
    """Keeps what the client says, and looks at threads while it waits at its marks."""
    roots = {"client": process.pid}
    if side.server:
        roots["server"] = side.server.process.pid
    begun = {}
    for text in process.stdout:
        line = json.loads(text)
        if "mark" not in line:
            run.figures.append(line)
            continue
        now = time.monotonic()
        seen = {part: threads_below(root) for part, root in roots.items()}
        if line["mark"] == "begin":
            begun[line["name"]] = seen
            began = time.monotonic()
        else:
            run.windows[line["name"]] = {
                "seconds": now - began,
                **{part: difference(then, seen[part], roots[part])
                   for part, then in begun.pop(line["name"]).items()},
            }
        process.stdin.write("\n")
        process.stdin.flush()


# --- threads --------------------------------------------------------------------------------------

def children_of_all():
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                stat = pathlib.Path("/proc", entry, "stat").read_text(encoding="utf-8")
                parent = int(stat.rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry))
    return children


def threads_below(root):
    """{thread id: {"name", "process", "cpu_ns", "switches"}} of a process and all below it."""
    children = children_of_all()
    processes = [root]
    for process in processes:
        processes += children.get(process, [])
    threads = {}
    for process in processes:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{process}/task"):
                with contextlib.suppress(OSError):
                    threads[int(thread)] = read_thread(process, thread)
    return threads


def read_thread(process, thread):
    folder = pathlib.Path("/proc", str(process), "task", thread)
    status = (folder / "status").read_text(encoding="utf-8")
    switches = sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", status))
    return {"name": re.search(r"^Name:\s*(.*)$", status, re.M)[1], "process": process,
            "cpu_ns": read_cpu_ns(folder), "switches": switches}


def read_cpu_ns(folder):
    """schedstat counts nanoseconds; without it, stat's clock ticks must do."""
    try:
        return int((folder / "schedstat").read_text(encoding="utf-8").split()[0])
    except OSError:
        fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_NS


def difference(before, after, root):
    """What each thread did between two looks; one that is gone by the second is not counted."""
    serving = {thread["process"] for thread in after.values() if thread["name"].startswith("pv-")}
    changes = []
    for thread, now in after.items():
        then = before.get(thread, {"cpu_ns": 0, "switches": 0})
        changes.append({"name": now["name"], "process": now["process"],
                        "role": role(now["process"], root, serving),
                        "cpu_ms": (now["cpu_ns"] - then["cpu_ns"]) / 1e6,
                        "switches": now["switches"] - then["switches"]})
    return changes


def role(process, root, serving):
    """Which process it is: the one we started, the one below it that serves, or another below."""
    if process == root:
        return "main"
    return "worker" if process in serving or not serving else "spare"


def tail(path):
    with contextlib.suppress(OSError):
        return last_line(pathlib.Path(path).read_text(encoding="utf-8", errors="replace"))
    return ""


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
