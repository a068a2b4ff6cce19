"""Each wrong input in bad/ ends the generator with one line that says what is wrong."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from support import HERE, PROTOCOL

BAD = HERE / "bad"
LINES = {
    "bad-alias-loop.xml": "VkTwo is an alias of itself",
    "bad-array-size.xml": "an array's size, VK_NO_SUCH_SIZE, is no number",
    "bad-command-without-name.xml": "a command without a name",
    "bad-cut-short.xml": "bad-cut-short.xml: no element found: line 54, column 0",
    "bad-declaration.xml":
        "VkBufferCreateInfo: cannot read the declaration 'uint32_t % queueFamilyIndexCount'",
    "bad-enum-value.xml": "VK_SUCCESS has the value 'none', which is no number",
    "bad-extends-nothing.xml": "VkBufferNameInfo extends the unknown struct VkBufferMakeInfo",
    "bad-extension-number.xml": "VK_EXT_thing has the value 'first', which is no number",
    "bad-length.xml":
        "VkBufferCreateInfo::pQueueFamilyIndices: no member for its length 'queueCount'",
    "bad-member-without-name.xml":
        "VkBufferCreateInfo: a member or parameter without a name or a type",
    "bad-no-version.xml": "the registry has no VK_HEADER_VERSION",
    "bad-param-declaration.xml": "vkCreateBuffer: cannot read the declaration 'VkBuffer ! pBuffer'",
    "bad-root.xml": "bad-root.xml: the root element is <protocol>, not <registry>",
    "bad-two-dimensions.xml": "VkBufferNameInfo::number: an array in two dimensions",
    "bad-type-without-value.xml": "no value for VK_STRUCTURE_TYPE_BUFFER_NAME_INFO",
    "bad-unknown-type.xml": "VkBufferCreateInfo::flags: unknown type VkNoSuchFlags",
    "bad-chained-without-value.json":
        "bad-chained-without-value.json: VkThingMESA has an sType without a value",
    "bad-cut-short.json":
        "bad-cut-short.json: Expecting ',' delimiter: line 20 column 5 (char 633)",
    "bad-declaration.json": "VkThingMESA: cannot read the declaration 'uint32_t'",
    "bad-list.json": "bad-list.json: not an object with sections",
    "bad-missing-section.json": "bad-missing-section.json: no section 'bitmasks'",
    "bad-number-twice.json": "bad-number-twice.json: vkMakeMESA has the number of vkCreateBuffer",
    "bad-number.json": "bad-number.json: vkMakeMESA has the number -1",
    "bad-section.json": "bad-section.json: 'bitmasks' is not a list",
    "bad-struct-without-name.json":
        "bad-struct-without-name.json: entry 0 of 'structs' has no 'name'",
    "bad-cut-short.toml": "bad-cut-short.toml: Invalid value (at line 7, column 2)",
    "bad-handled-and-refused.toml":
        "bad-handled-and-refused.toml: vkMakeMESA has a handler and is refused",
    "bad-missing-section.toml": "bad-missing-section.toml: no section [keep]",
    "bad-no-command.toml": "bad-no-command.toml: [refused] CreateBuffer is no command",
    "bad-no-member.toml": "bad-no-member.toml: [ids] no member vkCreateBuffer.pSize",
    "bad-refused-without-reason.toml":
        "bad-refused-without-reason.toml: [refused] vkCreateBuffer is not a text",
    "bad-too-many-handlers.toml": "bad-too-many-handlers.toml: more than 50 handlers",
    "bad-unknown-section.toml": "bad-unknown-section.toml: unknown section [block]",
    "bad-word-for-list.toml": "bad-word-for-list.toml: [streams] context_only is not a list",
}


def generate(name, out):
    """Runs the generator on the good inputs, one of which `name` takes the place of."""
    inputs = {suffix: f"good.{suffix}" for suffix in ("xml", "json", "toml")}
    inputs[name.rpartition(".")[2]] = name
    return subprocess.run(
        [sys.executable, PROTOCOL / "generate.py", "--vk-xml", inputs["xml"], "--facts",
         inputs["json"], "--policy", inputs["toml"], "--out", out],
        cwd=BAD, capture_output=True, text=True, check=False)


class BadInputTest(unittest.TestCase):
    def test_every_wrong_input_gives_its_one_line(self):
        for name, line in LINES.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as out:
                result = generate(name, out)
                self.assertEqual(result.stderr, f"generate.py: {line}\n")
                self.assertEqual(result.returncode, 1)
                self.assertEqual(result.stdout, "")

    def test_the_good_inputs_are_good(self):
        with tempfile.TemporaryDirectory() as out:
            result = generate("good.xml", out)
            self.assertEqual((result.stderr, result.returncode), ("", 0))
            self.assertIn("vkCreateBuffer", (pathlib.Path(out) / "exec.gen.h").read_text("utf-8"))

    def test_every_wrong_input_has_its_line(self):
        self.assertEqual({path.name for path in BAD.glob("bad-*")}, set(LINES))

    def test_a_missing_file_gives_one_line(self):
        with tempfile.TemporaryDirectory() as out:
            result = generate("missing.xml", out)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stderr.count("\n"), 1)

    def test_a_command_that_stands_for_a_hosts_goes_with_it(self):
        """An older registry has no such entry point, so its handler could not be compiled."""
        good = (BAD / "good.json").read_text(encoding="utf-8")
        for host, is_there in (("vkCreateBuffer", True), ("vkNewer", False)):
            with self.subTest(host), tempfile.TemporaryDirectory() as out:
                facts = pathlib.Path(out, "facts.json")
                facts.write_text(good.replace('"name": "vkMakeMESA"',
                                              f'"name": "vkMakeMESA", "host": "{host}"'),
                                 encoding="utf-8")
                result = generate(str(facts), out)
                self.assertEqual((result.stderr, result.returncode), ("", 0))
                made = "".join(file.read_text(encoding="utf-8")
                               for file in pathlib.Path(out).glob("exec_*.gen.c"))
                self.assertEqual("pv_exec_vkMakeMESA(" in made, is_there)


if __name__ == "__main__":
    unittest.main()
