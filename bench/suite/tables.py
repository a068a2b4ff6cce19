"""The figures as tables: what is printed, and what the page shows."""

from typing import NamedTuple

from suite.goals import NATIVE, OURS, TUNED, number, share_of_core

VIRGL = "virglrenderer"
SECTIONS = [
    ("Thread wake", ["wake."], "How long this machine takes to run a thread that sleeps. Nothing "
     "that sleeps can answer sooner."),
    ("Floors of this machine", ["floor."], "What the system alone takes, by one thread and without "
     "Vulkan: a yield, between two of which Mesa's client looks for an answer, and memory shared."),
    ("Synchronous call", ["sync."], "One call that Mesa's Venus driver must ask the host for, "
     "after a pause. Pauses up to 200 us are busy loops, longer ones sleep."),
    ("Submit and wait", ["submit."], "vkQueueSubmit and vkWaitForFences together. Stock, Mesa's "
     "client sleeps 160 us or more when the fence is not done at once; tuned, it asks the host."),
    ("Recording", ["record.", "threads."], "Commands recorded. app: until the last call returns; "
     "drained: until the driver has them all."),
    ("Execution", ["execute."], "The same, submitted. app: until vkQueueSubmit returns; drained: "
     "until the fence has been waited for."),
    ("Objects", ["create.", "update.", "pipelines."], "Created and destroyed in rounds, each "
     "drained by a synchronous call."),
    ("Memory", ["memory.", "mapped."], "Allocated, mapped, freed; copied into and out "
     "of."),
    ("Work", ["compute.", "frame."], "Whole jobs, results checked or read back."),
    ("Polling", ["poll."], "Asking again and again whether a fence has signalled, while a job of "
     "5 ms runs."),
    ("60 frames a second", ["fps."], "A small frame, then a sleep until the next sixtieth."),
    ("Pipeline storm", ["storm."], "One thread draws; another asks for up to 250 pipelines a "
     "second, down the ring of all commands or down one of its own; or for as many as it can."),
    ("Start", ["start."], "Until the first reply."),
]


class Table(NamedTuple):
    title: str
    about: str
    columns: list
    rows: list


def comparison(figures, title, about, prefixes):
    names = [name for prefix in prefixes for name in figures.names(prefix)]
    sides = [side for side in (NATIVE, OURS, TUNED, VIRGL, VIRGL + " tuned")
             if any(figures.values(side, name) for name in names)]
    against = [side for side in sides if side != NATIVE and NATIVE in sides]
    columns = (["figure", "unit"] + sides + [f"{side} / native" for side in against] +
               ["best " + side for side in sides] + ["how"])
    rows = []
    for name in names:
        ratios = [figures.ratios(side, NATIVE, name) for side in against]
        rows.append([name, figures.unit(name)] +
                    [number(figures.median(side, name)) for side in sides] +
                    [span(figures.ratio(side, NATIVE, name), some)
                     for side, some in zip(against, ratios)] +
                    [number(figures.best(side, name)) for side in sides] + [figures.how(name)])
    return Table(title, about, columns, rows)


def span(middle, ratios):
    """The median of paired ratios, and how far they lie apart."""
    if middle is None:
        return "–"
    return f"{number(middle)} ({number(min(ratios))}–{number(max(ratios))})"


def percentiles(figures, prefix, sides):
    """p50 and p99 of every figure of a section that has them, the middle of the repetitions."""
    names = [name for name in figures.names(prefix) if figures.values(OURS, name, "p99")]
    sides = [side for side in sides if any(figures.values(side, name) for name in names)]
    columns = ["figure"] + [f"{side} {key}" for side in sides for key in ("p50", "p99", "min")]
    rows = [[name] + [number(figures.median(side, name, key)) for side in sides
                      for key in ("p50", "p99", "min")]
            for name in names]
    return Table("", "Microseconds: the middle of the repetitions' p50, p99 and minimum.", columns,
                 rows)


def waiting(figures, core_counts):
    columns = ["figure", "unit"]
    for cores in core_counts:
        columns += [f"adaptive, {cores}", f"sleep, {cores}", f"speed, {cores}"]
    rows = []
    for name in figures.names():
        row = [name, figures.unit(name)]
        for cores in core_counts:
            adaptive, sleep = f"adaptive, {cores}", f"sleep, {cores}"
            row += [number(figures.median(adaptive, name)), number(figures.median(sleep, name)),
                    number(figures.speed(adaptive, sleep, name))]
        rows.append(row)
    return Table("Waiting against sleeping at once",
                 "The same client beside serve --wait=adaptive and --wait=sleep, with client and "
                 "server on one core and on two. Speed: how many times as fast the adaptive one "
                 "is, the median of pairs.", columns, rows)


def threads(windows, mark, title, about):
    """What each thread did in a window, and the client natively beside it."""
    columns = ["side", "process", "thread", "CPU ms", "% of a core", "context switches",
               "switches/s"]
    rows = []
    for (side, name), repetitions in windows.items():
        if name != mark or not repetitions:
            continue
        window = min(repetitions, key=share_of_core_of_all)
        for part in ("client", "server"):
            for thread in sorted(window.get(part, []), key=lambda t: -t["cpu_ms"]):
                if thread["cpu_ms"] > 0 or thread["switches"] > 0:
                    rows.append([side, f"{part}, {thread['role']}", thread["name"],
                                 f"{thread['cpu_ms']:.2f}",
                                 f"{thread['cpu_ms'] / window['seconds'] / 10:.2f}",
                                 str(thread["switches"]),
                                 f"{thread['switches'] / window['seconds']:.1f}"])
    return Table(title, about, columns, rows)


def share_of_core_of_all(window):
    return share_of_core(window, "server") + share_of_core(window, "client")


COMMAND_COLUMNS = ["ns/command", "instructions/command", "2 rings", "2 contexts"]


def column_of(result):
    """A command's row and the column of one result; None for what is no command's."""
    case, _, variant = result["case"].partition(", ")
    column = variant or result["unit"]
    return (case, column) if column in COMMAND_COLUMNS else None


def commands(results):
    cells, hows = {}, {}
    for result in results:
        place = column_of(result)
        if place:
            cells.setdefault(place[0], {})[place[1]] = number(result["value"])
            hows.setdefault(place[1], result.get("how"))
    about = ("Streams through the real loop, onto a driver that does nothing. " +
             " ".join(f"{column}: {hows[column]}." for column in COMMAND_COLUMNS
                      if hows.get(column)))
    return Table("What a command costs us", about, ["command", *COMMAND_COLUMNS],
                 [[case, *(found.get(column, "–") for column in COMMAND_COLUMNS)]
                  for case, found in cells.items()])


def objects(results):
    rows = [[r["case"], number(r["value"]), r["unit"], r.get("how", "")]
            for r in results if not column_of(r)]
    return Table("What objects cost us", "On a driver that does nothing.",
                 ["case", "figure", "unit", "how"], rows)


def all_tables(results):
    figures, tables = results.figures, [commands(results.decode), objects(results.decode)]
    for title, prefixes, about in SECTIONS:
        tables.append(comparison(figures, title, about, prefixes))
        if title in ("Synchronous call", "Submit and wait", "Polling"):
            tables.append(percentiles(figures, prefixes[0], (NATIVE, OURS, TUNED, VIRGL)))
    for mark, title, about in (
            ("fps", "Threads at 60 frames a second", "Of the repetition that took least."),
            ("poll.loop", "Threads during loops of polls", "Of the repetition that took least."),
            ("idle", "Threads of an idle client", "A device, 3 seconds after its last call.")):
        tables.append(threads(results.windows, mark, title, about))
    tables.append(waiting(results.waiting, results.core_counts))
    return [table for table in tables if table.rows]


def text(table, width=32):
    """For a terminal; `how` is left to the page."""
    shown = [i for i, column in enumerate(table.columns) if column != "how"]
    cells = [[row[i][:width] for i in shown] for row in [table.columns] + table.rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(shown))]
    lines = [f"\n{table.title}" if table.title else ""]
    for row in cells:
        lines.append("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths))))
    return "\n".join(lines)
