"""What the tests of the generator share: the model, and its wire programs as text."""

import functools
import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROTOCOL = HERE.parent
sys.path.insert(0, str(PROTOCOL))

from generate import Model  # noqa: E402  pylint: disable=wrong-import-position
from registry import Command  # noqa: E402  pylint: disable=wrong-import-position
from wire import FULL, PARTIAL  # noqa: E402  pylint: disable=wrong-import-position

__all__ = ["FULL", "HERE", "PARTIAL", "PROTOCOL", "full_model", "vk_xml", "Text"]


def vk_xml():
    """The registry that the build uses: from Meson; else the unpacked one, else the system's."""
    unpacked = PROTOCOL.parent / "build/vulkan-headers/usr/share/vulkan/registry/vk.xml"
    system = "/usr/share/vulkan/registry/vk.xml"
    return os.environ.get("PV_VK_XML") or (str(unpacked) if unpacked.is_file() else system)


@functools.cache
def full_model():
    return Model(vk_xml())


class Text:
    """Prints wire programs in the words of data/commands.json, from their steps alone."""

    def __init__(self, model):
        self.wire = model.wire
        self.registry = model.registry

    def type_name(self, name):
        made = self.registry.type(name)
        while made.category == "bitmask":
            made = self.registry.type(made.base)
        return made.name

    @staticmethod
    def plain(text):
        """A length or condition as vk.xml would write it."""
        text = text.replace("{0}", "").replace("null-terminated", "strlen+1")
        text = re.sub(r"\(uint\d+_t\)", "", text)
        return re.sub(r"\((\w+) != NULL \? (.*) : 0\)", r"\1 ? \2 : 0", text)

    def lines(self, steps, partial=False):
        found = []
        for step in steps:
            if step.kind == "take":
                found += [self.load(one) for one in step.loads]
            else:
                found.append(self.step(step, partial))
        return found

    def load(self, step):
        if step.load == "null":
            return f"{self.plain(step.path)} null"
        text = f"{self.plain(step.path)} {self.type_name(step.type)}"
        return f"{text}{{{step.count}}}" if step.load in ("chars", "scalars") else text

    def step(self, step, partial):
        name = self.plain(step.path)
        made = self.type_name(step.type)
        if made != "void" and step.mode == PARTIAL and step.made.category == "struct":
            made += "~"
        need = "!" if step.required and not step.condition and not partial else ""
        condition = f" if {self.plain(step.condition)}" if step.condition and not partial else ""
        length = self.plain(step.length) if getattr(step, "length", None) else ""
        if isinstance(step.owner, Command) and step.member.dims:
            return f"{name} {made}{{{length}}}"
        return {
            "struct": lambda: f"{name} {made}",
            "union": lambda: f"{name} {made}" + self.selected(step),
            "fixed": lambda: f"{name} {made}{{{step.count}}}",
            "string": lambda: f"{name} {made}[strlen+1]{need}",
            "strings": lambda: f"{name} {made}[{length}][strlen+1]{need}",
            "array": lambda: f"{name} {made}[{length}]{need}{condition}",
            "packed": lambda: f"{name} {made}[{length}]{need}{condition}",
            "arrays": lambda: f"{name} {made}[{length}][{self.plain(step.inner)}]{need}",
            "pointer": lambda: f"{name} {made}*{need}",
            "present_only": lambda: f"{name} place",
            "size_only": lambda: f"{name} size[{length}]",
        }[step.kind]()

    def selected(self, step):
        return f" by {self.plain(step.selector)}" if step.selector else ""

    def command(self, command):
        reply = self.lines(self.wire.reply(command))
        if command.returns != "void":
            reply.insert(0, f"ret {self.type_name(command.returns)}")
        return {"number": command.number, "request": self.request(command), "reply": reply}

    def request(self, command):
        directions = self.wire.directions(command)
        found = []
        for param in command.params:
            mode = PARTIAL if directions[param.name] == "out" else FULL
            found += self.lines(self.wire.program(command, mode, [param], modes={param.name: mode}))
        return found

    def struct(self, made):
        found = {"full": self.lines(self.wire.program(made, FULL)),
                 "partial": self.lines(self.wire.program(made, PARTIAL), partial=True)}
        if made.stype:
            found["type"] = self.registry.stype_value(made.stype)
            found["chain"] = [self.registry.stype_value(one.stype) for one in made.accepts]
        return found

    def union(self, made):
        cases, sent = self.wire.union_cases(made)
        found = []
        for case in cases:
            lines = self.lines(case.steps)
            found += [f"{tag}: {', '.join(lines)}" for tag in case.tags]
        return {"union": "selected" if sent is None else sent, "cases": sorted(found)}
