"""build/bench/report.html: one file, with its styles and plots inside."""

import html
import math

from suite.figures import is_rate
from suite.goals import NATIVE, OURS, TUNED, number
from suite.tables import VIRGL

COLOURS = {NATIVE: "#6b7280", OURS: "#2f7d4f", TUNED: "#8cba3c", VIRGL: "#b45309",
           VIRGL + " tuned": "#e0a458"}
STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2937; max-width: 72rem; margin: 2rem auto;
       padding: 0 1.5rem; background: #fff; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .3rem; }
p { margin: .3rem 0 .8rem; color: #4b5563; max-width: 52rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .7rem; text-align: right; border-bottom: 1px solid #e5e7eb;
         white-space: nowrap; }
th { font-weight: 600; color: #4b5563; border-bottom: 2px solid #d1d5db; }
th:first-child, td:first-child, .prose, .text { text-align: left; }
td.text { white-space: normal; min-width: 7rem; } td.text:first-child { min-width: 16rem; }
td.prose { white-space: normal; min-width: 16rem; color: #6b7280; }
.met { color: #2f7d4f; font-weight: 600; } .missed { color: #b91c1c; font-weight: 600; }
.not, .reported { color: #6b7280; }
dl { display: grid; grid-template-columns: max-content auto; gap: .1rem 1rem; font-size: 13px; }
dt { color: #6b7280; } dd { margin: 0; }
figure { margin: 1rem 0; } figcaption { font-size: 13px; color: #6b7280; }
svg text { font: 12px system-ui, sans-serif; fill: #374151; }
"""
PROSE = {"how"}


def escape(text):
    return html.escape(str(text))


# --- plots ----------------------------------------------------------------------------------------

def legend(sides, x, y):
    parts = []
    for side in sides:
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{COLOURS[side]}"/>'
                     f'<text x="{x + 15}" y="{y}">{escape(side)}</text>')
        x += 40 + 7 * len(side)
    return "".join(parts)


def bars(figures, names, sides):
    """How many times as fast as native; the line is native's own speed."""
    rows = [(name, [(side, figures.speed(side, NATIVE, name)) for side in sides])
            for name in names]
    rows = [(name, [(s, v) for s, v in speeds if v]) for name, speeds in rows]
    rows = [(name, speeds) for name, speeds in rows if speeds]
    if not rows:
        return ""
    left, width, bar, gap = 210, 560, 12, 8
    limit = max(1.2, min(2.0, max(v for _, speeds in rows for _, v in speeds)))
    y, parts = 34, [legend(sides, left, 14)]
    for name, speeds in rows:
        middle = y + len(speeds) * bar / 2 + 4
        parts.append(f'<text x="{left - 8}" y="{middle:.0f}" text-anchor="end">{escape(name)}'
                     '</text>')
        for side, value in speeds:
            length = min(value, limit) / limit * width
            parts.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" '
                         f'fill="{COLOURS[side]}"/><text x="{left + length + 5:.1f}" '
                         f'y="{y + 9}">{number(value)}</text>')
            y += bar
        y += gap
    one = left + width / limit
    parts.append(f'<line x1="{one:.1f}" x2="{one:.1f}" y1="26" y2="{y}" stroke="#6b7280" '
                 'stroke-dasharray="4 3"/>')
    return (f'<figure><svg viewBox="0 0 {left + width + 60} {y + 6}" width="100%" role="img">'
            + "".join(parts) + "</svg><figcaption>Speed against native (dashed: as fast). Median "
            "of paired ratios.</figcaption></figure>")


PAUSES = [("sync.0us", 1), ("sync.5us", 5), ("sync.30us", 30), ("sync.200us", 200),
          ("sync.2ms", 2000), ("sync.20ms", 20000)]


def latency_lines(figures, sides):
    """p50 and p99 over the pause before the call, both logarithmic."""
    left, top, width, height = 70, 30, 620, 300
    series = []
    for side in sides:
        for key, dash in (("p50", ""), ("p99", "5 4")):
            points = [(pause, figures.median(side, name, key)) for name, pause in PAUSES]
            points = [(x, y) for x, y in points if y]
            if len(points) > 1:
                series.append((side, dash, points))
    if not series:
        return ""
    values = [y for _, _, points in series for _, y in points]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)

    def place(x, y):
        return (left + math.log10(x) / math.log10(20000) * width,
                top + (high - math.log10(y)) / (high - low) * height)

    parts = [legend(sides, left, 16)]
    for power in range(low, high + 1):
        _, y = place(1, 10 ** power)
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" '
                     f'stroke="#e5e7eb"/><text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">'
                     f'{number(10 ** power)} us</text>')
    for name, pause in PAUSES:
        x, _ = place(pause, 10 ** low)
        parts.append(f'<text x="{x:.1f}" y="{top + height + 18}" text-anchor="middle">'
                     f'{name.removeprefix("sync.")}</text>')
    for side, dash, points in series:
        path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[side]}" '
                     f'stroke-width="2" stroke-dasharray="{dash}"/>')
    return (f'<figure><svg viewBox="0 0 {left + width + 30} {top + height + 30}" width="100%" '
            'style="max-width:48rem" role="img">' + "".join(parts) + "</svg><figcaption>A "
            "synchronous call after a pause: p50 (solid) and p99 (dashed).</figcaption></figure>")


# --- the page -------------------------------------------------------------------------------------

def table_html(table):
    head = "".join(f'<th class="prose">{escape(c)}</th>' if c in PROSE else f"<th>{escape(c)}</th>"
                   for c in table.columns)
    body = "".join(
        "<tr>" + "".join(f'<td class="prose">{escape(cell)}</td>' if column in PROSE
                         else f"<td>{escape(cell)}</td>"
                         for column, cell in zip(table.columns, row)) + "</tr>"
        for row in table.rows)
    title = f"<h2>{escape(table.title)}</h2>" if table.title else ""
    return (f"{title}<p>{escape(table.about)}</p><div class=wide><table><tr>{head}</tr>{body}"
            "</table></div>")


def goals_html(goals):
    rows = "".join(
        f'<tr><td class="text">{escape(g.name)}</td><td class="text">{escape(g.wanted)}</td>'
        f'<td class="text">{escape(g.measured)}</td>'
        f'<td class="{g.verdict().split()[0]}">{g.verdict()}</td>'
        f'<td class="prose">{escape(g.how)}</td></tr>' for g in goals)
    return ("<h2>Goals</h2><div class=wide><table><tr><th>goal</th>"
            '<th class="text">wanted</th><th class="text">measured</th><th></th>'
            '<th class="prose">how</th></tr>'
            f"{rows}</table></div>")


def list_html(title, items):
    if not items:
        return ""
    return f"<h2>{escape(title)}</h2><ul>" + "".join(f"<li>{escape(i)}</li>" for i in items) + \
        "</ul>"


def page(results, goals, tables):
    figures = results.figures
    sides = [side for side in COLOURS if side in figures.sides()]
    compared = [side for side in sides if side in (NATIVE, OURS, VIRGL)]
    rates = [name for name in figures.names()
             if is_rate(figures.unit(name)) and not name.startswith(("storm.", "poll."))
             and not name.endswith(".app")]
    overview = bars(figures, rates, compared[1:])
    plots = {"Synchronous call": latency_lines(figures, compared)}
    machine = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>"
                      for k, v in results.machine.items())
    parts = ["<!doctype html><html lang=en><meta charset=utf-8><title>PearVisor: figures</title>"
             f"<style>{STYLE}</style><h1>PearVisor: figures</h1>"
             "<p>One client, one driver: natively, and through PearVisor. Sides alternate; a "
             "figure is the middle of its repetitions, and a ratio the middle of the ratios of "
             f"neighbours.</p><dl>{machine}</dl>", goals_html(goals),
             list_html("What could not be measured", results.failures),
             list_html("Notes", results.notes),
             "<h2>Throughput against native</h2>" + overview if overview else ""]
    for table in tables:
        parts.append(table_html(table))
        parts.append(plots.get(table.title, ""))
    return "".join(parts)
