#!/usr/bin/env python3
"""What programs that are built against the library depend on, as lines of text.

    tests/embed/abi/abi.py [--update]

Prints, or writes to the list that the test compares with (ARCHITECTURE.txt beside this file), from
the public headers: each function's type; each structure's size, and each member's offset, size and
type; each enumerator's value. The compiler itself says the numbers.
"""

import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys
import tempfile

from pycparser import c_ast, c_generator, c_parser

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parents[2] / "include"
LIST = HERE / f"{platform.machine()}.txt"
COMPILER = shlex.split(os.environ.get("PV_TEST_CC", "cc"))

# The parser wants types only by name; the program that prints the numbers includes the real ones.
STANDARD_HEADERS = {
    "stdbool.h": "typedef _Bool bool;\n",
    "stddef.h": "typedef unsigned long size_t;\n",
    "stdint.h": "".join(f"typedef unsigned int {sign}int{bits}_t;\n"
                        for sign in ("", "u") for bits in (8, 16, 32, 64)),
}


def parse(include):
    """The syntax tree of all public headers together."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in STANDARD_HEADERS.items():
            guard = name.replace(".", "_")
            pathlib.Path(folder, name).write_text(
                f"#ifndef {guard}\n#define {guard}\n{text}#endif\n", encoding="utf-8")
        source = "".join(f"#include <pearvisor/{path.name}>\n"
                         for path in sorted((include / "pearvisor").glob("*.h")))
        command = COMPILER + ["-E", "-P", "-nostdinc", "-I", folder, "-I", str(include),
                              "-D__attribute__(x)=", "-x", "c", "-"]
        text = subprocess.run(command, input=source, capture_output=True, text=True,
                              check=True).stdout
    return c_parser.CParser().parse(text)


class WithoutNames(c_ast.NodeVisitor):
    """Takes the names out of a type: what a parameter is called binds nobody."""

    def visit_TypeDecl(self, node):
        node.declname = None
        self.generic_visit(node)

    def visit_Decl(self, node):
        node.name = None
        self.generic_visit(node)


def spelled(node):
    WithoutNames().visit(node)
    return re.sub(r"\s+", " ", c_generator.CGenerator().visit(node)).strip()


class Collector(c_ast.NodeVisitor):
    def __init__(self):
        self.functions = {}  # name: type
        self.structs = {}    # name: [(member, type)]
        self.enumerators = []

    def visit_Decl(self, node):
        if isinstance(node.type, c_ast.FuncDecl):
            name = node.name
            self.generic_visit(node)
            self.functions[name] = spelled(node.type)
        else:
            self.generic_visit(node)

    def visit_Struct(self, node):
        if node.decls is None:
            return
        assert node.name is not None, "a structure without a name: nothing can say its layout"
        for member in node.decls:
            self.visit(member.type)
        self.structs[node.name] = [(member.name, spelled(member.type)) for member in node.decls]

    def visit_Union(self, node):
        raise AssertionError(f"a union ({node.name}): teach abi.py about them first")

    def visit_Enum(self, node):
        if node.values is not None:
            self.enumerators += [value.name for value in node.values.enumerators]


def collect(include):
    collector = Collector()
    collector.visit(parse(include))
    return collector


def printer(include, found):
    """The C program that knows the numbers."""
    lines = [f"#include <pearvisor/{path.name}>"
             for path in sorted((include / "pearvisor").glob("*.h"))]
    lines += ["#include <stdio.h>", "int main(void)", "{"]
    for name in found.enumerators:
        lines.append(f'    printf("enumerator {name} = %lld\\n", (long long){name});')
    for name, members in found.structs.items():
        lines.append(f'    printf("struct {name}: %zu bytes\\n", sizeof(struct {name}));')
        for member, kind in members:
            place = f"struct {name}, {member}"
            size = f"sizeof(((struct {name} *)0)->{member})"
            lines.append(f'    printf("member {name}.{member}: at %zu, %zu bytes, {kind}\\n", '
                         f"offsetof({place}), {size});")
    return "\n".join(lines + ["    return 0;", "}", ""])


def describe(include=INCLUDE):
    """All lines, sorted within each sort, members in their order."""
    found = collect(include)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "abi.c")
        source.write_text(printer(include, found), encoding="utf-8")
        program = str(pathlib.Path(folder, "abi"))
        subprocess.run(COMPILER + ["-std=c17", "-I", str(include), str(source), "-o", program],
                       check=True)
        text = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    functions = [f"function {name}: {kind}" for name, kind in sorted(found.functions.items())]
    return functions + text.splitlines()


# --- what a difference means ----------------------------------------------------------------------

def grown(old, new):
    """The versioned structures that have only got members behind those that they had."""
    def members(lines, name):
        return [line for line in lines if line.startswith(f"member {name}.")]
    found = set()
    for line in set(old) - set(new):
        match = re.match(r"struct (\w+):", line)
        if match is None:
            continue
        before, after = members(old, match[1]), members(new, match[1])
        if after[:len(before)] == before and len(after) > len(before) and \
                ".struct_size: at 0," in before[0]:
            found.add(match[1])
    return found


def judge(old, new):
    """(lines that break programs, lines that only add), each as "- what was" or "+ what is"."""
    longer = grown(old, new)
    known = {re.match(r"struct (\w+):", line)[1] for line in old if line.startswith("struct ")}
    breaks = [f"- {line}" for line in old if line not in set(new)
              and not any(line.startswith(f"struct {name}:") for name in longer)]
    adds = []
    for line in new:
        if line in set(old):
            continue
        # A line that replaces one, and a member of a structure that may not grow, break as well.
        key = line.split(":")[0].split(" =")[0]
        owner = re.match(r"(?:member|struct) (\w+)", line)
        replaces = any(before.split(":")[0].split(" =")[0] == key for before in old)
        if owner is not None and owner[1] in longer:
            adds.append(f"+ {line}")
        elif replaces or (owner is not None and owner[1] in known):
            breaks.append(f"+ {line}")
        else:
            adds.append(f"+ {line}")
    return breaks, adds


def message(breaks, adds):
    """For whoever has changed a header."""
    parts = []
    if breaks:
        parts.append("These changes break programs that are built already; from 1.0 on only a new "
                     "major version may have them:\n  " + "\n  ".join(breaks))
    if adds:
        parts.append("These are allowed (new names, members at the end of a structure that begins "
                     "with struct_size), with a new minor version:\n  " + "\n  ".join(adds))
    parts.append("If it is meant: raise the version in include/pearvisor/version.h and "
                 "meson.build, and run tests/embed/abi/abi.py --update")
    return "\n".join(parts)


def main(arguments):
    text = "\n".join(describe()) + "\n"
    if arguments == ["--update"]:
        LIST.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
