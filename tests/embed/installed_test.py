#!/usr/bin/env python3
"""What is installed is enough to build on: headers, pkg-config file, shared and static library.

PV_TEST_BUILD is the build folder, whose libraries are there already; PV_TEST_CC the C compiler.
"""

import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import unittest

BUILD = os.environ["PV_TEST_BUILD"]
COMPILER = shlex.split(os.environ["PV_TEST_CC"])
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
FILLED = 2 * (" ".join(["50656172"] * 8) + "\n")
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def output_of(command, **environment):
    result = subprocess.run([str(word) for word in command], env=dict(os.environ, **environment),
                            capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{shlex.join(map(str, command))}: {result.returncode}\n"
                             f"{result.stdout}{result.stderr}")
    return result.stdout


@unittest.skipUnless(shutil.which("meson"), "meson is not in the path")
class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.root = pathlib.Path(scratch.name, "root")
        # Only what is built already: no manual page, which another target makes.
        output_of(["meson", "install", "-C", BUILD, "--destdir", cls.root, "--no-rebuild",
                   "--quiet", "--tags", "devel,runtime"])
        cls.packages = next(cls.root.rglob("pearvisor.pc")).parent
        cls.headers = next(cls.root.rglob("pearvisor.h")).parents[1]
        cls.libraries = next(cls.root.rglob("libpearvisor.so")).parent

    def package(self, *options):
        """What pkg-config says of the copy under root."""
        return shlex.split(output_of(
            ["pkg-config", *options, "pearvisor"], PKG_CONFIG_PATH=str(self.packages),
            PKG_CONFIG_SYSROOT_DIR=str(self.root), PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1",
            PKG_CONFIG_ALLOW_SYSTEM_LIBS="1"))

    def build(self, name, libraries):
        program = self.root / f"{name}-program"
        output_of(COMPILER + WARNINGS + [EXAMPLES / f"{name}.c", "-o", program] +
                  self.package("--cflags") + libraries)
        return program

    def test_examples_are_built_on_the_shared_library(self):
        for name in ("embed", "vmm"):
            program = self.build(name, self.package("--libs"))
            self.assertIn("libpearvisor.so.0", output_of(["readelf", "-d", program]))
            if name == "embed":
                self.assertEqual(output_of([program], LD_LIBRARY_PATH=str(self.libraries)), FILLED)
            else:
                # Its workers are the program that was installed beside the library.
                self.assertIn("display 1920x1080\n",
                              output_of([program], LD_LIBRARY_PATH=str(self.libraries)))

    def test_example_is_built_on_the_static_library(self):
        libraries = ["-l:libpearvisor.a" if word == "-lpearvisor" else word
                     for word in self.package("--static", "--libs")]
        self.assertIn("-l:libpearvisor.a", libraries)
        program = self.build("embed", libraries)
        self.assertNotIn("libpearvisor", output_of(["readelf", "-d", program]))
        self.assertEqual(output_of([program]), FILLED)

    def test_version_is_that_of_the_headers(self):
        source = '#include <pearvisor/version.h>\n' \
                 'PV_VERSION_MAJOR.PV_VERSION_MINOR.PV_VERSION_PATCH\n'
        path = self.root / "version.c"
        path.write_text(source, encoding="utf-8")
        printed = output_of(COMPILER + ["-E", "-P", "-I", self.headers, path])
        self.assertEqual("".join(printed.split("\n")[-2].split()),
                         output_of(["pkg-config", "--modversion", "pearvisor"],
                                   PKG_CONFIG_PATH=str(self.packages)).strip())

    def test_each_header_stands_alone(self):
        languages = [(COMPILER, "c", "c11"), (COMPILER, "c", "c17")]
        if shutil.which("c++"):
            languages.append((["c++"], "c++", "c++17"))
        headers = sorted((self.headers / "pearvisor").glob("*.h"))
        self.assertGreaterEqual(len(headers), 12)
        for compiler, language, standard in languages:
            for header in headers:
                path = self.root / "alone.source"
                # Twice: it guards itself.
                path.write_text(2 * f"#include <pearvisor/{header.name}>\n", encoding="utf-8")
                output_of(compiler + WARNINGS + [f"-std={standard}", "-I", self.headers,
                                                 "-fsyntax-only", "-x", language, path])


if __name__ == "__main__":
    unittest.main()
