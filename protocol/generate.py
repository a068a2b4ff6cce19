#!/usr/bin/env python3
"""vk.xml + venus.json + commands.toml → C. Prints one line and exits 1 when an input is wrong."""

import argparse
import os
import re
import sys

import jinja2

from checks import check_closure, check_facts
from closure import Closure, protocol_commands
from describe import Description
from policy import Policy, parts, share, subject
from registry import Member, Registry, RegistryError, load_facts
from wire import FULL, PARTIAL, Wire

HERE = os.path.dirname(os.path.abspath(__file__))
HEADERS = ["object_types", "venus_types", "wire_args", "wire_decode", "wire_encode", "exec",
           "host_tables", "test_guest", "test_args", "test_fake", "wire_enums"]
# Of files with parts.
PREFIXES = ["wire_struct_", "exec_", "test_guest_", "test_args_"]
FAKE_PARTS = 3
LINES_MAX = 3000


class Model:
    """Everything that the templates ask for."""

    def __init__(self, xml_path, facts_path=None, policy_path=None):
        self.facts = load_facts(facts_path or os.path.join(HERE, "venus.json"))
        check_facts(facts_path or "venus.json", self.facts)
        self.registry = Registry(xml_path, self.facts)
        self.closure = Closure(self.registry, self.facts)
        check_closure(self.registry, self.closure)
        self.commands = protocol_commands(self.registry, self.closure, self.facts)
        self.policy = Policy(policy_path or os.path.join(HERE, "commands.toml"), self.registry,
                             self.commands)
        self.wire = Wire(self.registry, self.closure, self.policy)
        self.encoded = [command for command in self.commands if command.encoded]
        self._collect()
        self.compiled = {command.params[-1].type for command in self.encoded
                         if self.policy.compiles(command)}
        self.outliving = self._outliving()
        self.description = Description(self)

    def _collect(self):
        """Which structs and unions are read (in, partial) and written (out) by the host."""
        self.uses = {}  # name → {"in", "partial", "out"}
        for command in self.encoded:
            directions = self.wire.directions(command)
            for param in command.params:
                mode = PARTIAL if directions[param.name] == "out" else FULL
                program = self.wire.program(command, mode, members=[param],
                                            modes={param.name: mode})
                self._walk(program, "partial" if mode == PARTIAL else "in")
                if directions[param.name] != "in":
                    self._walk(self.wire.program(command, FULL, members=[param]), "out")
        self.used = [self.registry.types[name] for name in sorted(self.uses)]
        self.structs = [made for made in self.used if made.category == "struct"]
        self.links = {one.name for made in self.structs for one in made.accepts}
        self.unions = [made for made in self.used if made.category == "union"]

    def _walk(self, steps, use):
        for step in steps:
            if step.kind == "take":
                continue
            made = step.made
            whole = step.kind == "union" or step.mode == FULL
            inner = "in" if use == "partial" and whole else use
            if step.kind == "union" or (step.kind == "struct" and made.stype):
                self._use(made, inner)
            elif step.kind in ("pointer", "array", "fixed", "arrays"):
                self._walk(self.wire.element(step), inner)

    def _use(self, made, use):
        if use in self.uses.setdefault(made.name, set()):
            return
        self.uses[made.name].add(use)
        if made.category == "union":
            for case in self.wire.union_cases(made)[0]:
                self._walk(case.steps, use)
            return
        self._walk(self.wire.program(made, PARTIAL if use == "partial" else FULL), use)
        for accepted in made.accepts:
            self._use(accepted, use)

    def count_structs(self):
        """Structs and unions that the wire carries, those that dissolve into others included."""
        seen = set(self.uses)
        todo = [*self.used, *self.encoded]
        while todo:
            for member in todo.pop().members:
                made = self.registry.type(member.type)
                if made and made.category in ("struct", "union") and made.name not in seen and \
                        self.closure.member_on_wire(member):
                    seen.add(made.name)
                    todo.append(made)
        return len(seen)

    def _named_handles(self, command):
        """The types of all handles that a command's arguments can name."""
        found, seen, todo = set(), set(), [command]
        while todo:
            for member in todo.pop().members:
                made = self.registry.type(member.type)
                if made is None or not self.closure.member_on_wire(member):
                    continue
                if made.category == "handle":
                    found.add(made.name)
                elif made.category in ("struct", "union") and made.name not in seen:
                    seen.add(made.name)
                    todo += [made, *made.accepts]
        return found

    def _outliving(self):
        """The types that a compile needs until its end: what its arguments name, and what those
        were made of. Those with a struct of ours are not made of anything that compiles read."""
        found = set()
        todo = [command for command in self.encoded if self.policy.compiles(command)]
        while todo:
            for name in self._named_handles(todo.pop()):
                if name not in found and not self.policy.own(name):
                    found.add(name)
                    todo += [c for c in self.encoded
                             if any(p.type == name and p.stars and not p.const for p in c.params)]
        return found

    def holes(self):
        numbers = {command.number for command in self.commands}
        return [number for number in range(max(numbers)) if number not in numbers]

    def enums(self):
        """[(name, the least value that is not negative, how many follow without a gap, others)]"""
        found = []
        for name, values in sorted(self.registry.enum_values.items()):
            if name in self.closure.names and values:
                first = end = min(v for v in values if v >= 0)
                while end in values:
                    end += 1
                rest = sorted(v for v in values if not first <= v < end)
                found.append((name, first, end - first, rest))
        return found

    def handles(self):
        return [made for name, made in sorted(self.registry.types.items())
                if made.category == "handle" and name in self.closure.names]

    def table_of(self, command):
        """instance or device: whose function table has the command; None for our own."""
        if command.private or not command.params:
            return None
        first = self.registry.type(command.params[0].type)
        if first is None or first.category != "handle":
            return None
        return "instance" if first.name in ("VkInstance", "VkPhysicalDevice") else "device"

    def host_commands(self, table):
        """The driver's entry points that we call, by table: the protocol's commands, and those
        that our own code needs besides."""
        extra = {
            "instance": ["vkGetDeviceProcAddr", "vkEnumerateDeviceExtensionProperties"],
            "device": ["vkMapMemory", "vkUnmapMemory", "vkGetMemoryFdKHR",
                       "vkGetMemoryFdPropertiesKHR", "vkGetMemoryHostPointerPropertiesEXT",
                       "vkImportFenceFdKHR", "vkGetFenceFdKHR", "vkImportSemaphoreFdKHR",
                       "vkGetSemaphoreFdKHR", "vkGetDeviceQueue", "vkQueueWaitIdle",
                       "vkDeviceWaitIdle", "vkCopyMemoryToImage", "vkCopyImageToMemory",
                       "vkWriteSamplerDescriptorsEXT", "vkWriteResourceDescriptorsEXT"],
        }[table]
        names = [c.name for c in self.encoded if self.table_of(c) == table
                 and not (self.policy.refusal(c) and c.name not in extra)]
        names += [name for name in extra if name not in names and name in self.registry.commands]
        return [self.registry.commands[name] for name in names]

    def fake_commands(self):
        """What the tests' fake driver implements: all that our code could ask a driver for."""
        called = self.host_commands("instance") + self.host_commands("device")
        ours = [c for c in self.encoded if not c.private and c not in called]
        return sorted(called + ours, key=lambda command: command.name)

    def ways_to(self, command):
        """[(name, version or None, extension or None)]: how a driver can offer a command."""
        ways = []
        for origin, word in command.origins:
            if origin.startswith("VK_") and word[0].isdigit():
                ways.append((command.name, word.replace(".", ", "), None))
            elif origin.startswith("VK_"):
                ways.append((word, None, origin))
        return sorted(set(ways), key=lambda way: (way[1] is None, way[1] or "", way[2] or ""))


COLUMNS = 100


def broken(line, pad):
    """One statement in lines of at most COLUMNS, broken behind commas where it can be."""
    lines = []
    while len(pad) + len(line) > COLUMNS:
        room = COLUMNS - len(pad)
        cut = max(line.rfind(", ", 0, room) + 1, line.rfind(" ? ", 0, room),
                  line.rfind(" = ", 0, room) + 2 if not lines else 0)
        if cut <= 8 or line.startswith(("#", "/*", '"')):
            break
        lines.append(pad + line[:cut].rstrip())
        line = line[cut:].lstrip()
        if len(lines) == 1:
            pad += "    "
    return [*lines, pad + line]


def indented(text):
    """Indents by braces and breaks long lines, so that the templates need not care."""
    lines, depth = [], 0
    for line in text.split("\n"):
        if not line.startswith(" *"):
            line = line.strip()
        if line == "" and (depth > 0 or not lines or lines[-1] == ""):
            continue
        level = depth - line.startswith("}") - line.startswith(("case ", "default:"))
        comment = line.startswith((" *", "#"))
        lines += broken(line, "" if comment or line == "" else "    " * max(level, 0))
        depth += line.count("{") - line.count("}")
    return "\n".join(lines).rstrip() + "\n"


def environment(model):
    env = jinja2.Environment(loader=jinja2.FileSystemLoader(os.path.join(HERE, "templates")),
                             undefined=jinja2.StrictUndefined, trim_blocks=True,
                             lstrip_blocks=True, keep_trailing_newline=False,
                             line_statement_prefix="%%")
    env.filters["at"] = lambda text, prefix: text.replace("{0}", prefix)
    env.filters["identifier"] = lambda text: re.sub(r"\W+", "_", text.replace("{0}", "")).strip("_")
    env.filters["as_member"] = lambda fields: Member("ret", fields["type"])
    env.globals.update(m=model, wire=model.wire, policy=model.policy, registry=model.registry,
                       FULL=FULL, PARTIAL=PARTIAL, subject=subject)
    return env


def files():
    names = [f"{name}.gen.h" for name in HEADERS]
    names += ["host_tables.gen.c", "exec_table.gen.c", "wire_enums.gen.c", "test_args_list.gen.c",
              "test_fake_list.gen.c"]
    names += [f"test_fake_{part + 1}.gen.c" for part in range(FAKE_PARTS)]
    for _, _, _, stem in parts():
        names += [f"{prefix}{stem}.gen.c" for prefix in PREFIXES]
    return names


def render(env, model, name):
    stem, _, suffix = name.rpartition(".gen.")
    if re.fullmatch(r"test_fake_\d+", stem):
        part = int(stem.rpartition("_")[2]) - 1
        fakes = share(model.fake_commands(), part, FAKE_PARTS)
        return env.get_template("test_fake.c.j2").render(fakes_here=fakes)
    for prefix in PREFIXES:
        for title, part, count, known in parts():
            if stem == prefix + known:
                template = env.get_template(f"{prefix.rstrip('_')}.{suffix}.j2")
                commands = [c for c in model.encoded if subject(c.name) == title]
                used = [made for made in model.used if subject(made.name) == title]
                types = model.description.of_subject(lambda name: subject(name) == title)
                return template.render(title=title, commands_here=share(commands, part, count),
                                       used=share(used, part, count),
                                       types=share(types, part, count))
    return env.get_template(f"{stem}.{suffix}.j2").render()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vk-xml", help="the Vulkan registry")
    parser.add_argument("--facts", help="our own facts, instead of venus.json")
    parser.add_argument("--policy", help="the policy, instead of commands.toml")
    parser.add_argument("--out", help="folder for the generated files")
    parser.add_argument("--list", action="store_true", help="only print the files' names")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(files()))
        return
    if not arguments.vk_xml or not arguments.out:
        parser.error("--vk-xml and --out are needed")
    model = Model(arguments.vk_xml, arguments.facts, arguments.policy)
    env = environment(model)
    os.makedirs(arguments.out, exist_ok=True)
    for name in files():
        text = indented(render(env, model, name))
        if text.count("\n") > LINES_MAX:
            raise RegistryError(f"{name} has {text.count(chr(10))} lines, over {LINES_MAX}")
        with open(os.path.join(arguments.out, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    try:
        main()
    except RegistryError as problem:
        sys.exit(f"generate.py: {problem}")
