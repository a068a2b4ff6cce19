"""The two sides of a comparison: a driver, natively, and Mesa's Venus driver in front of PearVisor.

Both sides are this machine, or a folder with another Debian each (PV_TEST_HOST and PV_TEST_GUEST,
which tools/in-debian enters): so a guest's Mesa can be older than the host's, and newer.
PV_TEST_DRIVER is a manifest to take in the place of lavapipe's; PV_TEST_PROGRAM is pearvisor.
"""

import contextlib
import glob
import os
import pathlib
import platform
import signal
import subprocess
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 120  # for the server to listen; its drivers are asked by then
SKIPPED = 77      # Meson's status for a test that could not be made here
HOST, GUEST = (os.environ.get(f"PV_TEST_{side}", "") for side in ("HOST", "GUEST"))


def manifest(root, driver):
    """The path that a driver's manifest has inside the root; None where there is none. There may be
    one for each architecture."""
    names = f"{driver}_icd.{platform.machine()}.json", f"{driver}_icd.json"
    found = sorted(glob.glob(f"{root}/usr/share/vulkan/icd.d/{driver}_icd*.json"),
                   key=lambda path: [os.path.basename(path) != name for name in names])
    return found[0].removeprefix(root) if found else None


DRIVER = os.environ.get("PV_TEST_DRIVER") or manifest(HOST, "lvp")
VENUS = manifest(GUEST, "virtio")


def why_not():
    """Why nothing can be compared here; None if it can. A folder that was named must do."""
    assert DRIVER or not HOST, f"no lavapipe in {HOST}"
    assert VENUS or not GUEST, f"no Venus in {GUEST}"
    return None if DRIVER and VENUS else "no driver or no Venus here"


def within(root, *command):
    """The command, which may begin with NAME=VALUE, inside the root."""
    return [PROJECT / "tools/in-debian", root, *command] if root else ["env", *command]


def read_answers(text):
    """{path: value} of what capabilities.c printed."""
    return dict(line.split(" ", 1) for line in text.splitlines())


def run(command, timeout_s):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout_s, check=False)


def on_host(*command, timeout_s, driver=DRIVER):
    """Runs it natively, on the driver and no other."""
    return run(within(HOST, f"VK_DRIVER_FILES={driver}", f"VK_ICD_FILENAMES={driver}", *command),
               timeout_s)


@contextlib.contextmanager
def serving(driver=DRIVER):
    """`pearvisor serve` with the driver: the path of its socket. It must live to be ended, and tell
    of no context that was lost."""
    program = os.environ["PV_TEST_PROGRAM"]
    with tempfile.TemporaryDirectory(dir=pathlib.Path(program).parent) as folder:
        socket, log = f"{folder}/socket", pathlib.Path(folder, "log")
        with log.open("wb") as said:
            server = subprocess.Popen(within(HOST, program, "serve", "--driver", driver,
                                             "--socket", socket), stderr=said)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not os.path.exists(socket):
                assert server.poll() is None, f"pearvisor serve has ended: {log.read_text()}"
                assert time.monotonic() < deadline, "pearvisor serve does not listen"
                time.sleep(0.01)
            yield socket
            assert server.poll() is None, f"pearvisor serve has ended: {log.read_text()}"
        finally:
            server.terminate()
            try:
                status = server.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                server.kill()
                raise
        assert status in (0, -signal.SIGTERM), f"status {status}: {log.read_text()}"
        wrong = [line for line in log.read_text().splitlines()
                 if "pearvisor: error" in line or "the context ends" in line]
        assert not wrong, "\n".join(wrong)


def in_guest(*command, timeout_s, driver=DRIVER):
    """Runs it on Venus, in front of PearVisor. VN_PERF is what the command says, not the caller."""
    with serving(driver) as socket:
        return run(within(GUEST, f"VK_DRIVER_FILES={VENUS}", f"VK_ICD_FILENAMES={VENUS}",
                          "VN_DEBUG=vtest", f"VTEST_SOCKET_NAME={socket}", "VN_PERF=", *command),
                   timeout_s)
