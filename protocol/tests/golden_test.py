"""What the generator prints for eight commands. After a change that is meant:

    python3 protocol/tests/golden_test.py --update
"""

import sys
import unittest

from support import HERE, full_model

from generate import environment, indented, render
from policy import parts

COMMANDS = [
    "vkCreateBuffer",
    "vkDestroyBuffer",
    "vkQueueSubmit",  # a kept queue, and kept semaphores inside its structs
    "vkAllocateDescriptorSets",  # keeps a pool inside a struct
    "vkCreateGraphicsPipelines",
    "vkCmdDraw",
    "vkCmdBuildAccelerationStructuresKHR",  # arrays of arrays
    "vkGetPhysicalDeviceQueueFamilyProperties2",  # two calls, and a filter
]
# Structs in which a handle is kept (commands.toml): their decoders.
STRUCTS = ["VkSubmitInfo", "VkSemaphoreSubmitInfo", "VkDescriptorSetAllocateInfo"]


class Printed:
    """The generator's C files, cut where one thing ends and the next begins."""

    def __init__(self):
        model = full_model()
        env = environment(model)
        self.texts = {}
        for prefix in ("exec_", "wire_struct_"):
            for _, _, _, stem in parts():
                name = f"{prefix}{stem}.gen.c"
                self.texts[name] = indented(render(env, model, name))

    def command(self, name):
        start = f"/* {name}, command "
        text = next(text for text in self.texts.values() if start in text)
        rest = text[text.index(start):]
        end = rest.find("\n/* vk")
        return rest[:end + 1].rstrip() + "\n" if end >= 0 else rest

    def struct(self, name):
        start = f"void pv_decode_{name}_body("
        text = next(text for text in self.texts.values() if start in text)
        begin = text.rindex("\n", 0, text.index(start)) + 1
        return text[begin:text.index("\n}\n", begin) + 3]

    def golden(self):
        found = {name: self.command(name) for name in COMMANDS}
        found.update({name: self.struct(name) for name in STRUCTS})
        return found


def path_of(name):
    return HERE / "golden" / f"{name}.golden"


def update():
    path_of("").parent.mkdir(exist_ok=True)
    for name, text in Printed().golden().items():
        path_of(name).write_text(text, "utf-8")


class GoldenTest(unittest.TestCase):
    maxDiff = None

    def test_commands_and_structs_are_printed_as_before(self):
        for name, text in Printed().golden().items():
            with self.subTest(name):
                self.assertEqual(path_of(name).read_text("utf-8"), text)

    def test_kept_handles_are_our_structs_in_arrays_and_structs(self):
        printed = Printed()
        for name in STRUCTS:
            self.assertIn("pv_decode_lookup(in, ", printed.struct(name))
            self.assertNotIn("pv_decode_lookup_own", printed.struct(name))
        self.assertIn("(struct pv_queue *)", printed.command("vkQueueSubmit"))


if __name__ == "__main__":
    if "--update" in sys.argv:
        update()
    else:
        unittest.main()
