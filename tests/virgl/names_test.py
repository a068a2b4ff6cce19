"""What libvirglrenderer.so.1 exports and needs, by what binutils say of it."""

import os
import pathlib
import re
import subprocess
import unittest

LIBRARY = os.environ["PV_TEST_VIRGL"]
MAP = pathlib.Path(os.environ["PV_TEST_VIRGL_MAP"])
# Of the libraries that a system may have; the newest that was looked at is 1.3.0.
INSTALLED = ("/usr/lib/*-linux-*/libvirglrenderer.so.1", "/usr/lib64/libvirglrenderer.so.1",
             "/usr/lib/libvirglrenderer.so.1")


def exported(library):
    text = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True,
                          check=True).stdout
    return {line.split()[-1] for line in text.splitlines()}


def installed_library():
    for pattern in INSTALLED:
        for path in pathlib.Path("/").glob(pattern[1:]):
            return str(path)
    return None


class Names(unittest.TestCase):
    def dynamic_section(self):
        return subprocess.run(["readelf", "-d", "-W", LIBRARY], capture_output=True, text=True,
                              check=True).stdout

    def test_exactly_the_names_of_the_map_are_exported(self):
        listed = set(re.findall(r"^ +(virgl_\w+);", MAP.read_text(), re.MULTILINE))
        self.assertEqual(len(listed), 49) # as 1.3.0 exports
        self.assertEqual(exported(LIBRARY), listed)

    def test_no_name_of_an_installed_library_is_missing(self):
        theirs = installed_library()
        if theirs is None:
            self.skipTest("no libvirglrenderer.so.1 is installed to compare with")
        names = {name for name in exported(theirs) if name.startswith("virgl_")}
        self.assertEqual(names - exported(LIBRARY), set())

    def test_it_answers_to_the_name_that_programs_look_for(self):
        self.assertIn("SONAME", self.dynamic_section())
        self.assertIn("[libvirglrenderer.so.1]", self.dynamic_section())

    def test_neither_opengl_nor_vulkan_is_linked(self):
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", self.dynamic_section()))
        for name in needed:
            self.assertNotRegex(name, r"GL|vulkan|gbm|drm|epoxy|X11|wayland")
        symbols = subprocess.run(["nm", LIBRARY], capture_output=True, text=True, check=True).stdout
        if "__asan_init" in symbols:
            self.skipTest("a sanitizer keeps what the linker would leave out")
        self.assertNotRegex(symbols, r" [tT] pv_(exec_|handle_|ring_|host_open|render_context)")


if __name__ == "__main__":
    unittest.main()
