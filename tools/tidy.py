#!/usr/bin/env python3
"""Checks the project's own rules; prints one line for each place that breaks one.

    tools/tidy.py [ROOT]

Include order: each folder of src/ may include itself and folders of a lower level (LEVELS). ring/
and timeline/ are given functions to call instead of including each other; front/ and cli/ are
clients of the public API, and may use base/ and isolate/ besides; a front may use front/context,
which serves the contexts of others. Sizes: a file has at most 600 lines, a function 70, a line 100
columns. Public headers teach: of their lines that are not blank, 40 % have a comment, except where
there are fewer than 20. No tabs, no notes to self, no machine paths, no package hosts.
"""

import pathlib
import posixpath
import re
import subprocess
import sys

LEVELS = {
    "base": 1,
    "blob": 2,
    "object": 3,
    "host": 4,
    "wire": 5,
    "ring": 6,
    "timeline": 6,
    "render": 7,
    "isolate": 8,
    "api": 9,
}
FILE_LINES = 600
FUNCTION_LINES = 70
LINE_COLUMNS = 100
PUBLIC_HEADERS = "include/pearvisor/"
COMMENT_PERCENT = 40
COMMENT_LINES = 20 # of a header that is long enough to be asked

C_SUFFIXES = {".c", ".h"}
SHADER_SUFFIXES = {".glsl", ".vert", ".tesc", ".tese", ".geom", ".task", ".mesh", ".frag", ".comp",
                   ".rgen", ".rmiss", ".rchit", ".rahit"}
CODE_SUFFIXES = C_SUFFIXES | SHADER_SUFFIXES | {".py", ".sh", ".swift"}
TAB_NAMES = {"Makefile"}
TAB_SUFFIXES = {".scd"} # whose format asks for them
TEXT_SUFFIXES = {".md", ".scd", ".j2"} # prose may be wider, and so may what prints code
# Long lines that are data rather than text to read.
DATA_SUFFIXES = {".json", ".toml", ".xml", ".bin", ".hex", ".golden", ".map", ".svg", ".txt"}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^">]+)[">]')
NOTE_TO_SELF = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
# Places of one machine: home folders and scratch space (a bare /tmp is everyone's).
MACHINE_PATH = re.compile(r"(?<![\w.$}/])/(?:home|root|Users|work|mnt)/[\w.]")
# Which mirror a machine uses is the machine's to say; the names are split so as not to match here.
PACKAGE_HOST = re.compile(
    r"(?:deb|ftp|security|snapshot|archive|ports)\." r"(?:debian|ubuntu)\.(?:org|com|net)"
    r"|registry\." r"npmjs\.org|files\." r"pythonhosted\.org|pypi\." r"org|crates\." r"io"
    r"|proxy\." r"golang\.org")


def tracked_files(root):
    """The files under version control, or all but build/ in a release archive."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.decode().split("\0")
        return sorted(name for name in names if name and (root / name).is_file())
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] not in ("build", ".git"))


def folder_of(name):
    """The part of src/ that a path belongs to: "ring", "front/vtest", "cli"; None outside src/."""
    parts = pathlib.PurePosixPath(name).parts
    if len(parts) < 3 or parts[0] != "src":
        return None
    return "/".join(parts[1:3]) if parts[1] == "front" and len(parts) > 3 else parts[1]


def include_target(name, quoted, target, known):
    """The folder of src/ that an include reaches, "public" for the public API, else None."""
    if target.startswith("pearvisor/"):
        return "public"
    if not quoted:
        return None
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if beside in known:
        return folder_of(beside)
    return folder_of("src/" + target) if "/" in target else None


def include_allowed(folder, reached):
    if reached is None or reached == folder:
        return True
    if folder.startswith("front"):
        return reached in ("public", "base", "isolate", "front/context")
    if folder == "cli":
        return reached in ("public", "base", "isolate") or reached.startswith("front/")
    if reached == "public":
        # base/ lends the public enums to all (results, log levels); only api/ speaks the rest.
        return folder in ("base", "api")
    return LEVELS.get(reached, 99) < LEVELS.get(folder, 0)


def check_includes(name, lines, known):
    folder = folder_of(name)
    if folder is None:
        return
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        reached = include_target(name, match[1] == '"', match[2], known)
        if not include_allowed(folder, reached):
            what = "the public API" if reached == "public" else f"{reached}/"
            yield number, f"{folder}/ may not include {what} ({match[2]})"


def functions(lines):
    """The (first line, name, length) of each function of formatted C: "{" and "}" in column 1."""
    start, head = None, ""
    for number, line in enumerate(lines, 1):
        if line.startswith("{") and line.strip() == "{":
            start = number
            previous = " ".join(lines[max(0, number - 6):number - 1])
            names = re.findall(r"(\w+)\s*\(", previous.rsplit("}", 1)[-1].rsplit(";", 1)[-1])
            head = next((word for word in names if not word.startswith("PV_")), "?")
        elif line.startswith("}") and start is not None:
            yield start, head, number - start - 1
            start = None


def check_sizes(name, path, lines):
    generated_or_data = path.suffix in DATA_SUFFIXES or "golden" in path.parts
    if path.suffix in CODE_SUFFIXES and not generated_or_data and len(lines) > FILE_LINES:
        yield len(lines), f"file has {len(lines)} lines, more than {FILE_LINES}"
    if path.suffix in C_SUFFIXES and not generated_or_data:
        for number, function, length in functions(lines):
            if length > FUNCTION_LINES:
                yield number, f"{function}() has {length} lines, more than {FUNCTION_LINES}"
    if generated_or_data or path.suffix in TEXT_SUFFIXES:
        return
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS:
            yield number, f"line has {len(line)} columns, more than {LINE_COLUMNS}"


def comment_percent(lines):
    """How many of 100 lines that are not blank have a comment, or a part of one."""
    commented, inside = 0, False
    for line in lines:
        commented += bool(line.strip()) and (inside or "/*" in line or "//" in line)
        inside = line.rfind("/*") > line.rfind("*/") or (inside and "*/" not in line)
    return 100 * commented // max(1, sum(1 for line in lines if line.strip()))


def check_comments(name, lines):
    if name.startswith(PUBLIC_HEADERS) and name.endswith(".h") and len(lines) >= COMMENT_LINES:
        percent = comment_percent(lines)
        if percent < COMMENT_PERCENT:
            yield 1, f"{percent} % of the lines have a comment, fewer than {COMMENT_PERCENT} %"


def check_words(name, path, lines):
    in_code = path.parts[0] in ("src", "protocol", "include")
    for number, line in enumerate(lines, 1):
        if "\t" in line and path.name not in TAB_NAMES and path.suffix not in TAB_SUFFIXES:
            yield number, "tab"
        if in_code and NOTE_TO_SELF.search(line):
            yield number, "note to self: " + NOTE_TO_SELF.search(line)[0]
        if MACHINE_PATH.search(line):
            yield number, "path of one machine: " + line.strip()[:60]
        if PACKAGE_HOST.search(line):
            yield number, "host of a package registry: " + PACKAGE_HOST.search(line)[0]


def check_file(root, name, known):
    path = pathlib.PurePosixPath(name)
    try:
        text = (root / name).read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return # binary data
    if "\0" in text:
        return
    lines = text.splitlines()
    if path.suffix in C_SUFFIXES:
        yield from check_includes(name, lines, known)
    yield from check_sizes(name, path, lines)
    yield from check_comments(name, lines)
    yield from check_words(name, path, lines)


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent)
    names = tracked_files(root)
    known = set(names)
    violations = 0
    for name in names:
        for number, message in check_file(root, name, known):
            print(f"{name}:{number}: {message}")
            violations += 1
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
