"""Middles, bests and paired ratios of figures that several sides have measured in turn."""

import statistics


class Figures:
    """What the client said: for each side and figure, one line of JSON per repetition."""

    def __init__(self):
        self._lines = {}

    def add(self, side, repetition, line):
        self._lines.setdefault((side, line["name"]), {})[repetition] = line

    def names(self, prefix=""):
        found = dict.fromkeys(name for _, name in self._lines if name.startswith(prefix))
        return list(found)

    def sides(self):
        return list(dict.fromkeys(side for side, _ in self._lines))

    def lines(self, side, name):
        return list(self._lines.get((side, name), {}).values())

    def values(self, side, name, key="value"):
        return [line[key] for line in self.lines(side, name) if key in line]

    def median(self, side, name, key="value"):
        values = self.values(side, name, key)
        return statistics.median(values) if values else None

    def least(self, side, name, key="value"):
        return min(self.values(side, name, key), default=None)

    def best(self, side, name):
        """The least of times, the most of rates."""
        values = self.values(side, name)
        if not values:
            return None
        return max(values) if is_rate(self.unit(name)) else min(values)

    def unit(self, name):
        return self._any(name).get("unit", "")

    def how(self, name):
        return self._any(name).get("how", "")

    def _any(self, name):
        for (_, known), lines in self._lines.items():
            if known == name:
                return next(iter(lines.values()))
        return {}

    def ratios(self, side, base, name, key="value"):
        """side / base of each repetition in which both were measured."""
        ours = self._lines.get((side, name), {})
        theirs = self._lines.get((base, name), {})
        return [ours[r][key] / theirs[r][key] for r in sorted(ours)
                if r in theirs and theirs[r].get(key) and key in ours[r]]

    def ratio(self, side, base, name, key="value"):
        """The middle of the paired ratios; None where there is no pair."""
        ratios = self.ratios(side, base, name, key)
        return statistics.median(ratios) if ratios else None

    def speed(self, side, base, name):
        """How many times as fast as base, whether the figure is a time or a rate."""
        ratio = self.ratio(side, base, name)
        if not ratio:
            return None
        return ratio if is_rate(self.unit(name)) else 1 / ratio


def is_rate(unit):
    return unit.endswith("/s")


def order(sides, repetition):
    """A B C, then C B A, and so on: what drifts falls on all alike."""
    return list(sides) if repetition % 2 == 0 else list(reversed(sides))
