"""The bytes that the model gives to every command and struct are those that were recorded from the
protocol's own generated headers (data/). The text is made of wire.py's steps and nothing else."""

import json
import re
import unittest

from support import FULL, HERE, PARTIAL, Text, full_model

from wire import ANNOUNCED

# Where the registry at hand differs from the recorded one (1.4.343), and why.
RENAMED = {  # promoted from EXT to KHR, or taken over by core, since; or before
    "VkDeviceAddressRangeEXT": "VkDeviceAddressRangeKHR",
    "VkPhysicalDevicePipelineLibraryGroupHandlesFeaturesEXT":
        "VkPhysicalDevicePipelineLibraryGroupHandlesFeaturesKHR",
    **{f"VkPhysicalDeviceRobustness2{what}KHR": f"VkPhysicalDeviceRobustness2{what}EXT"
       for what in ("Features", "Properties")},
}
RECORDED = 343
OTHER_STEPS = {
    # The recorded decoder asks for null once more, in an array that must be there.
    ("vkCmdBuildAccelerationStructuresIndirectKHR",
     "ppMaxPrimitiveCounts uint32_t[infoCount][pInfos ? pInfos[i].geometryCount : 0]!"):
        "ppMaxPrimitiveCounts uint32_t[infoCount][pInfos[i].geometryCount]!",
}
NEWER_STEPS = {
    # Became optional after 1.4.343, since layers of devices do nothing.
    ("VkDeviceCreateInfo", "ppEnabledLayerNames char[enabledLayerCount][strlen+1]!"):
        "ppEnabledLayerNames char[enabledLayerCount][strlen+1]",
}
OLDER_STEPS = {
    # Became optional between 1.4.309 and 1.4.343.
    ("vkCmdSetSampleMaskEXT", "pSampleMask VkSampleMask[(samples + 31) / 32]"):
        "pSampleMask VkSampleMask[(samples + 31) / 32]!",
}
# The recorded decoder takes a null there, which Vulkan forbids and drivers crash on: ours refuses.
REQUIRED_STRINGS = {("VkPipelineShaderStageCreateInfo", "pName char[strlen+1]")}


# Bytes on the wire. Handles take 8, enums 4 (as int32), whatever C makes of them.
WIDTHS = {
    "uint8_t": 4, "uint16_t": 4, "uint32_t": 4, "int32_t": 4, "float": 4, "VkBool32": 4,
    "VkSampleMask": 4, "VkFlags": 4, "uint64_t": 8, "size_t": 8, "VkFlags64": 8,
    "VkDeviceSize": 8, "VkDeviceAddress": 8,
}


def recorded(name):
    with open(HERE / "data" / name, encoding="utf-8") as file:
        data = json.load(file)
    del data["about"]
    return data


class Recorded:
    """The recorded tables, in the words of the registry at hand."""

    def __init__(self, model):
        self.registry = model.registry
        self.commands = recorded("commands.json")
        self.structs = {self.now(name): entry for name, entry in recorded("structs.json").items()}

    def now(self, name):
        name = RENAMED.get(name, name) if self.registry.type(name) is None or \
            name in RENAMED and self.registry.type(RENAMED[name]) else name
        return self.registry.canonical(name)

    def line(self, owner, line):
        """One step: names and differences as of today."""
        line = OTHER_STEPS.get((owner, line), line)
        line = (NEWER_STEPS if self.registry.header_version > RECORDED else OLDER_STEPS).get(
            (owner, line), line)
        if (owner, line) in REQUIRED_STRINGS:
            line += "!"
        return re.sub(r"\bVk\w+", lambda found: self.now(found[0]), line)

    def is_plain_struct(self, name):
        entry = self.structs.get(name)
        return entry is not None and "full" in entry and "type" not in entry

    def lines(self, owner, lines, part="full", prefix=""):
        """Steps, with plain structs dissolved into their members."""
        found = []
        for line in lines:
            line = self.line(owner, line)
            name, made = line.split(" ", 1)
            bare = made.rstrip("~")
            if self.is_plain_struct(bare):
                inner = "partial" if made.endswith("~") else "full"
                found += self.lines(bare, self.structs[bare][inner], inner, f"{prefix}{name}.")
            else:
                found.append(prefix + re.sub(r"\[(?=[a-z]\w*\])", "[" + prefix, line))
        return found


class ModelTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.model = full_model()
        cls.text = Text(cls.model)
        cls.recorded = Recorded(cls.model)

    def known(self):
        """The registry may be older than the record: what it lacks drops out, with its bits."""
        return {c.name: c for c in self.model.commands}

    def test_commands_have_the_recorded_numbers_and_bytes(self):
        known = self.known()
        self.assertLessEqual(set(known), set(self.recorded.commands))
        for name, command in known.items():
            entry = self.recorded.commands[name]
            with self.subTest(name):
                self.assertEqual(command.number, entry["number"])
                self.assertEqual(command.encoded, "request" in entry)
                if command.encoded:
                    ours = self.text.command(command)
                    for part in ("request", "reply"):
                        self.assertEqual(ours[part], self.recorded.lines(name, entry[part]), part)

    def test_structs_have_the_recorded_bytes_and_chains(self):
        for name, entry in self.recorded.structs.items():
            made = self.model.registry.types.get(name)
            if made is None or name not in self.model.closure.names or "union" in entry:
                continue
            with self.subTest(name):
                ours = self.text.struct(made)
                for part in ("full", "partial"):
                    theirs = self.recorded.lines(name, entry[part], part)
                    self.assertEqual(ours[part], theirs, part)
                self.assertEqual(ours.get("type"), entry.get("type"))
                self.assertEqual(ours.get("chain"), self.chain(entry))

    def chain(self, entry):
        """What a recorded chain accepts, without the structs that the registry lacks."""
        if "chain" not in entry:
            return None
        have = set(self.model.registry.stype_values.values())
        return [value for value in entry["chain"] if value in have]

    def test_unions_have_the_recorded_tags(self):
        for name, entry in self.recorded.structs.items():
            made = self.model.registry.types.get(name)
            if made is None or "union" not in entry:
                continue
            with self.subTest(name):
                ours = self.text.union(made)
                theirs = sorted(self.case(line) for line in entry["cases"])
                self.assertEqual(ours["union"], entry["union"])
                self.assertEqual(ours["cases"], theirs)

    def case(self, line):
        tag, name, made = line.split(" ")
        made = re.sub(r"\bVk\w+", lambda found: self.recorded.now(found[0]), made)
        bare = self.model.registry.type(made.rstrip("*"))
        if made == "void*" or made.endswith("*") and not self.model.closure.on_wire(bare):
            return f"{tag}: {name} null"
        lines = self.recorded.lines("", [f"{name} {made}"])
        return f"{tag}: {', '.join(lines)}"

    def programs(self):
        wire = self.model.wire
        for command in self.model.encoded:
            yield wire.request(command)
            yield wire.reply(command)
        for made in self.model.structs:
            yield wire.program(made, FULL)
            yield wire.program(made, PARTIAL)

    def test_single_values_have_their_width(self):
        for program in self.programs():
            for step, following in zip(program, [*program[1:], None]):
                offset = 0
                for load in step.loads if step.kind == "take" else []:
                    name = self.text.type_name(load.type)
                    category = self.model.registry.type(name).category
                    width = WIDTHS.get(name) or {"handle": 8, "enum": 4, "enum64": 8}.get(category)
                    self.assertEqual(load.offset, offset, load.path)
                    if load.load == "null":
                        self.assertEqual(load.size, 8, f"{load.owner.name} {load.path}")
                    elif load.load not in ("chars", "scalars"):
                        self.assertEqual(load.size, width, f"{load.owner.name} {load.path}")
                        self.assertEqual(load.load == "enum", category == "enum", load.path)
                    offset += load.size
                if step.kind == "take" and following and following.kind in ANNOUNCED:
                    self.assertEqual(following.offset, offset, following.path)
                    offset += 8
                self.assertEqual(getattr(step, "size", 0), offset)

    def test_what_compiles_read_outlives_them(self):
        """What pipelines are made from, and what that was made of."""
        self.assertEqual(self.model.outliving, {
            "VkDeferredOperationKHR", "VkDescriptorSetLayout", "VkPipeline", "VkPipelineCache",
            "VkPipelineLayout", "VkRenderPass", "VkSampler", "VkSamplerYcbcrConversion",
            "VkShaderModule"})

    def test_commands_are_of_the_kind_that_their_names_say(self):
        expected = {
            "vkGetFenceStatus": "QUERY", "vkEnumeratePhysicalDevices": "QUERY",
            "vkCreateBuffer": "CREATE", "vkAllocateMemory": "CREATE",
            "vkDestroyBuffer": "DESTROY", "vkFreeMemory": "DESTROY",
            "vkCmdDraw": "RECORD", "vkBeginCommandBuffer": "RECORD",
            "vkEndCommandBuffer": "RECORD", "vkResetCommandBuffer": "UPDATE",
            "vkQueueSubmit2": "SUBMIT", "vkQueueBindSparse": "SUBMIT",
            "vkQueueWaitIdle": "WAIT", "vkDeviceWaitIdle": "WAIT", "vkWaitForFences": "WAIT",
            "vkUpdateDescriptorSets": "UPDATE", "vkUpdateDescriptorSetWithTemplate": "UPDATE",
            "vkGetMemoryResourcePropertiesMESA": "PROTOCOL", "vkCreateRingMESA": "PROTOCOL",
        }
        kinds = {command.name: self.model.policy.work(command) for command in self.model.commands}
        self.assertEqual({name: kinds[name] for name in expected}, expected)

    def test_every_struct_on_the_wire_is_recorded(self):
        for made in self.model.used:
            self.assertIn(made.name, self.recorded.structs)

    def test_the_differences_are_still_differences(self):
        """An entry of the tables above that no longer matters must go."""
        structs = recorded("structs.json")
        for name in RENAMED:
            self.assertIn(name, structs)
        commands = recorded("commands.json")
        for owner, line in [*OTHER_STEPS, *NEWER_STEPS, *OLDER_STEPS, *REQUIRED_STRINGS]:
            lines = structs[owner]["full"] if owner in structs else commands[owner]["request"]
            self.assertIn(line, lines)


if __name__ == "__main__":
    unittest.main()
