#!/usr/bin/env python3
"""tools/apt-source finds the distribution's own entry in both of apt's formats."""

import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

STANZAS = """\
# The machine's own
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


class AptSource(unittest.TestCase):
    def entry(self, files, known=""):
        with tempfile.TemporaryDirectory() as etc:
            pathlib.Path(etc, "sources.list.d").mkdir()
            for name, text in files.items():
                pathlib.Path(etc, name).write_text(text, encoding="utf-8")
            command = [str(ROOT / "tools/apt-source"), "testing", "bookworm", known, etc]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(result.stderr, "")
            self.assertEqual(result.returncode == 0, bool(result.stdout))
            return result.stdout

    def test_stanza_keeps_mirror_and_key(self):
        self.assertEqual(self.entry({"sources.list.d/own.sources": STANZAS}), """\
sources
Types: deb
Suites: testing
Components: main
URIs: http://mirror.example/debian
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----
""")

    def test_line_keeps_its_options(self):
        line = "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main # x\n"
        self.assertEqual(self.entry({"sources.list": line}),
                         "list\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ "
                         "testing main\n")

    def test_vendor_with_the_same_suite_name_is_passed_over(self):
        files = {"sources.list.d/a.list": "deb http://vendor.example/apt stable main\n",
                 "sources.list.d/own.list": "deb http://mirror.example/debian bookworm main\n"}
        self.assertEqual(self.entry(files, "http://mirror.example/debian/ "),
                         "list\ndeb http://mirror.example/debian testing main\n")

    def test_disabled_entries_and_other_suites_do_not_count(self):
        self.assertEqual(self.entry({
            "sources.list.d/a.sources": "Enabled: no\n" + STANZAS.split("\n", 1)[1],
            "sources.list": "deb-src http://mirror.example/debian bookworm main\n"
                            "# deb http://mirror.example/debian bookworm main\n"
                            "deb cdrom:[disc]/ bookworm main\n"
                            "deb http://mirror.example/debian bookworm-updates main\n"
                            "deb http://mirror.example/debian bookworm contrib\n",
        }), "")


if __name__ == "__main__":
    unittest.main()
