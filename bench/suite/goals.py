"""What was wanted, what was measured, and whether that is met: computed from the figures alone."""

from typing import NamedTuple, Optional

from suite.figures import is_rate

NATIVE = "native"
OURS = "PearVisor"
TUNED = "PearVisor tuned"

CREATED = ["buffer", "image", "view", "sampler", "descriptor_set", "fence"]
WITH_TWO_RINGS = ["draw", "bind_1_set", "mixed_frame"]
TO_US = {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6}


REPORTED = "reported"


class Goal(NamedTuple):
    name: str
    wanted: str
    measured: str
    met: Optional[bool]  # None: not measured, or nothing was wanted
    how: str

    def verdict(self):
        if self.met is None:
            return REPORTED if self.wanted == REPORTED else "not measured"
        return "met" if self.met else "missed"


def number(value):
    if value is None:
        return "–"
    magnitude = abs(value)
    if magnitude >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if magnitude >= 100 else f"{value:.3g}"


def at_most(name, value, limit, unit, how):
    met = None if value is None else value <= limit
    return Goal(name, f"≤ {number(limit)} {unit}", shown(value, unit), met, how)


def at_least(name, value, limit, unit, how):
    met = None if value is None else value >= limit
    return Goal(name, f"≥ {number(limit)} {unit}", shown(value, unit), met, how)


def reported(name, value, unit, how):
    return Goal(name, REPORTED, shown(value, unit), None, how)


def shown(value, unit):
    return "not measured" if value is None else f"{number(value)} {unit}".strip()


# --- the decoder, on a driver that does nothing ---------------------------------------------------

def find_case(results, case, *units):
    """The value of a case, in the first of the units that it has."""
    for result in results:
        if result["case"] == case and (not units or result["unit"] in units):
            return result["value"]
    return None


def case_us(results, case):
    for unit, factor in TO_US.items():
        value = find_case(results, case, unit)
        if value is not None:
            return value * factor
    return None


def two_rings_goal(results):
    two = [find_case(results, f"{case}, 2 rings") for case in WITH_TWO_RINGS]
    apart = [find_case(results, f"{case}, 2 contexts") for case in WITH_TWO_RINGS]
    machine = max((value for value in apart if value is not None), default=None)
    return at_most("two rings against one", max((value for value in two if value is not None),
                                                default=None), 1.05, "×",
                   "the worst of draw, one set bound, mixed frame; minima of alternated runs; "
                   f"two contexts, which share nothing, take {number(machine)} ×")


def object_goals(results):
    least, most = (find_case(results, f"destroy device, {count} objects", "ns/object")
                   for count in ("10^5", "10^6"))
    return [
        at_most("longest insert among 10⁶ objects", case_us(results, "worst insert, repeatable"),
                20, "us", "object_bench, no-op driver; each insert's best of 5 runs, so that no "
                "interrupt counts"),
        reported("the same, interrupts included", case_us(results, "worst insert"), "us",
                 "the slowest insert of the best of 5 runs"),
        at_most("reset of a pool of 50 000 sets", case_us(results, "pool reset"), 60, "us",
                "object_bench: best of 5 runs, no-op driver"),
        reported("destroying a device with 10⁶ objects", most, "ns per object",
                 f"object_bench, best of 5 runs; {number(least)} ns with 10⁵, so linear is the "
                 "same"),
    ]


def decode_goals(results):
    fastest = "decode_bench: minimum of many short runs, copy out of the ring included"
    return [
        at_most("vkCmdDraw, instructions", find_case(results, "draw", "instructions/command"), 90,
                "instructions", "callgrind, instructions.py"),
        at_most("vkCmdDraw, time", find_case(results, "draw", "ns/command"), 5, "ns", fastest),
        at_most("mixed frame, time per command", find_case(results, "mixed_frame", "ns/command"),
                7, "ns", fastest),
        at_most("update of 8 uniform buffers",
                find_case(results, "update_8_uniform_buffers", "ns/command"), 75, "ns", fastest),
        two_rings_goal(results),
        *object_goals(results),
    ]


# --- latency --------------------------------------------------------------------------------------

def latency_goals(figures):
    best = "least p50 of the repetitions, vkGetImageSubresourceLayout"
    goals = [at_most(f"synchronous call after {pause}", figures.least(OURS, f"sync.{key}"),
                     limit, "us", best)
             for pause, key, limit in (("no pause", "0us", 1.2), ("5 us", "5us", 1.2),
                                       ("30 us", "30us", 1.2), ("200 us", "200us", 3))]
    goals.append(at_most("submit and wait, tuned, back to back",
                         figures.least(TUNED, "submit.empty"), 6, "us",
                         "least p50 of the repetitions, no command buffer"))
    native = figures.least(NATIVE, "submit.empty.2ms")
    wake = figures.least(NATIVE, "wake.futex.2ms")
    limit = None if native is None or wake is None else native + 1.5 * wake
    ours = figures.least(TUNED, "submit.empty.2ms")
    name = "submit and wait, tuned, 2 ms apart"
    if limit is None:
        goals.append(Goal(name, "≤ native + 1.5 wakes", "not measured", None, ""))
    else:
        goals.append(at_most(name, ours, limit, "us",
                             f"native {number(native)} us + 1.5 × a thread's wake of "
                             f"{number(wake)} us (futex after 2 ms), least p50 of each"))
    return goals


# --- throughput -----------------------------------------------------------------------------------

def throughput_goals(figures):
    paired = "median of paired ratios to native"
    goals = [at_least("draws recorded and drained",
                      figures.speed(OURS, NATIVE, "record.draw.drained"), 0.6, "of native", paired)]
    goals += [at_least(f"{kind.replace('_', ' ')}s created and destroyed",
                       figures.speed(OURS, NATIVE, f"create.{kind}"), 0.4, "of native", paired)
              for kind in CREATED]
    goals += [
        at_least("1 MiB allocated, mapped, freed", figures.best(OURS, "memory.1MiB"), 15000,
                 "times/s", "best of the repetitions"),
        at_least("1080p frame and its readback", figures.speed(OURS, NATIVE, "frame.1080p"), 0.97,
                 "of native", paired),
        at_least("mapped memory written", figures.speed(OURS, NATIVE, "mapped.write"), 0.97,
                 "of native", paired + "; 1.0 was wanted, 0.03 is noise"),
        at_least("mapped memory read", figures.speed(OURS, NATIVE, "mapped.read"), 0.97,
                 "of native", paired + "; 1.0 was wanted, 0.03 is noise"),
    ]
    return goals


# --- polling --------------------------------------------------------------------------------------

def poll_goals(figures):
    control = figures.median(TUNED, "poll.frame.control", "p99")
    once = figures.median(TUNED, "poll.frame", "p99")
    name = "one poll a frame, tuned: p99"
    goals = [Goal(name, "≤ any call in its place", "not measured", None, "") if control is None
             else at_most(name, once, control * 1.2, "us",
                          f"medians of p99; a synchronous call that cannot be held has "
                          f"{number(control)} us in the same place, and a fifth is noise")]
    first = figures.least(TUNED, "poll.loop.first")
    goals += [
        at_most("loop of polls, tuned: the first is not held", first, 30, "us",
                "least p50; a hold lasts up to 30 us"),
        at_most("any of 4 fences, tuned: never held", figures.least(TUNED, "poll.any4"), 30, "us",
                "least p50 of a vkWaitForFences with timeout 0"),
        at_least("a second thread records beside a loop of polls",
                 within(figures, TUNED, "poll.beside.polling", "poll.beside.sleeping"), 0.95,
                 "of its rate alone", "tuned; best of each; native keeps " + number(
                     within(figures, NATIVE, "poll.beside.polling", "poll.beside.sleeping"))),
        reported("a poll, stock", figures.least(OURS, "poll.loop.first"), "us", "least p50"),
        reported("a poll, tuned", first, "us", "least p50"),
    ]
    return goals


def within(figures, side, name, base):
    """The ratio of two rates of one side."""
    ours, theirs = figures.best(side, name), figures.best(side, base)
    return None if ours is None or not theirs else ours / theirs


# --- processor time -------------------------------------------------------------------------------

def share_of_core(window, part="server"):
    """Processor time in percent of one core; not of what a server prepares for its next client."""
    used_ms = sum(t["cpu_ms"] for t in window.get(part, []) if t["role"] != "spare")
    return used_ms / window["seconds"] / 10


def sixty_goal(windows, side):
    server = [share_of_core(w) for w in windows.get((side, "fps"), [])]
    native = [share_of_core(w, "client") for w in windows.get((NATIVE, "fps"), [])]
    extra = min(server) - min(native) if server and native else None
    how = "" if extra is None else (
        f"all threads that serve the client ({number(min(server))} %) less the whole program "
        f"natively ({number(min(native))} %), which does the driver's work itself; least of each")
    kind = "tuned" if side == TUNED else "stock"
    return at_most(f"60 frames a second, {kind}: beyond the driver's work", extra, 3,
                   "% of a core", how)


def cpu_goals(windows):
    """windows: {(side, mark): [window of each repetition]}"""
    goals = [sixty_goal(windows, side) for side in (OURS, TUNED)]
    name, wanted = "an idle client wakes nothing but ALIVE's thread", "0 wakes of others"
    idle = windows.get((OURS, "idle"), [])
    if not idle:
        return goals + [Goal(name, wanted, "not measured", None, "")]
    window = min(idle, key=lambda w: len(wakers(w)))
    others = wakers(window)
    measured = ", ".join(f"{t['name']}: {t['switches']}" for t in others) or "none"
    goals.append(Goal(name, wanted, measured, not others,
                      f"context switches of the server's threads in {window['seconds']:.1f} s"))
    goals.append(at_most("processor time of an idle server",
                         min(share_of_core(w) for w in idle), 0.1, "% of a core",
                         "all its threads; 0 was wanted, and ALIVE costs something"))
    return goals


def wakers(window):
    return [thread for thread in window["server"]
            if thread["switches"] > 0 and thread["name"] != "pv-monitor"]


# --- the rest -------------------------------------------------------------------------------------

def storm_goals(figures):
    goals = []
    for ring, what in (("own_ring", "a ring of its own"), ("main_ring", "the main ring")):
        kept = within(figures, OURS, f"storm.{ring}.draws", "storm.none.draws")
        native = within(figures, NATIVE, f"storm.{ring}.draws", "storm.none.draws")
        goals.append(at_least(f"draws during compiles on {what}", kept, 0.9, "of their rate",
                              f"best of each; native keeps {number(native)} on as many cores"))
        stall = max(figures.values(OURS, f"storm.{ring}.longest_sync"), default=None)
        goals.append(reported(f"longest stall then, {what}", stall, "us",
                              "the longest synchronous call of all repetitions"))
    goals.append(reported("draws while compiles flood the main ring",
                          within(figures, OURS, "storm.flood.draws", "storm.none.draws"),
                          "of their rate", "as many are asked for as the client can send"))
    return goals


def start_goals(figures):
    value = figures.least(OURS, "start.instance")
    return [at_most("connect to first reply, spare worker ready",
                    None if value is None else value / 1000, 30, "ms",
                    "vkCreateInstance and vkEnumeratePhysicalDevices; least p50")]


def slower_than_sleeping(figures, adaptive, sleeping):
    """{figure: speed} of what is over 5 % slower by the middle of the pairs and by the bests."""
    slower = {}
    for name in figures.names():
        speed = figures.speed(adaptive, sleeping, name)
        ours, theirs = figures.best(adaptive, name), figures.best(sleeping, name)
        if not speed or not ours or not theirs:
            continue
        bests = ours / theirs if is_rate(figures.unit(name)) else theirs / ours
        if speed < 0.95 and bests < 0.95:
            slower[name] = min(speed, bests)
    return slower


def waiting_goals(figures, core_counts):
    goals = []
    for cores in core_counts:
        name = "nothing slower than sleeping at once, " + cores
        adaptive, sleeping = f"adaptive, {cores}", f"sleep, {cores}"
        wanted = "none over 5 % slower"
        if not {adaptive, sleeping} <= set(figures.sides()):
            goals.append(Goal(name, wanted, "not measured", None, "serve has no --wait, or it "
                              "could not be run"))
            continue
        slower = slower_than_sleeping(figures, adaptive, sleeping)
        measured = ", ".join(f"{n} {number(s)}" for n, s in slower.items()) or "none"
        goals.append(Goal(name, wanted, measured, not slower,
                          "by the median of pairs and by the best of each side"))
    return goals
