"""What we do with each command: commands.toml, read and checked against the registry."""

import re
import tomllib

from registry import RegistryError

SECTIONS = {"objects", "handlers", "refused", "keep", "ids", "nullable", "filters", "blocks",
            "compiles", "streams", "extensions"}
OPTIONAL_SECTIONS = {"checks"}
LISTS = [("keep", "members"), ("ids", "members"), ("nullable", "members"), ("blocks", "commands"),
         ("compiles", "commands"), ("compiles", "waits"),
         ("streams", "context_only"), ("streams", "ring_only"), ("extensions", "guest_only")]
HANDLERS_MAX = 50  # by hand; a 51st is a reason to teach the generator

# The files that generated code is spread over, by what it is about: the first match wins. The
# number is how many files a subject's structs take, since none may be too long to read.
SUBJECTS = [
    ("transport", 1, r"MESA$"),
    ("ray_tracing", 1, r"AccelerationStructure|RayTracing|TraceRays|Micromap|ShaderGroup"),
    ("features", 5, r"PhysicalDevice.*Features"),
    ("properties", 4, r"PhysicalDevice|QueueFamily|FormatProperties"),
    ("dynamic_state", 1, r"^vkCmdSet"),
    ("command_buffer", 2, r"^vkCmd|CommandBuffer|CommandPool|MultiDraw|PushConstants"),
    ("descriptor", 1, r"Descriptor|Sampler|PipelineLayout|BorderColor|Heap"),
    ("pipeline", 2, r"Pipeline|Shader|Specialization"),
    ("render_pass", 1, r"RenderPass|Framebuffer|Subpass|Attachment|RenderArea|Rendering"),
    ("image", 1, r"Image|Subresource"),
    ("memory", 1, r"Memory|Buffer"),
    ("sync", 1, r"Fence|Semaphore|Event|Queue|Submit|Sparse|Query|Timestamp|Time"),
    ("device", 1, r""),
]

# What sort of work a command is, by its name: the first match wins. Venus' own are PROTOCOL.
KINDS = [
    ("QUERY", r"^vk(Get|Enumerate)"),
    ("CREATE", r"^vk(Create|Allocate)"),
    ("DESTROY", r"^vk(Destroy|Free)"),
    ("RECORD", r"^vk(Cmd|(Begin|End)CommandBuffer$)"),
    ("WAIT", r"^vkWait|WaitIdle$"),
    ("SUBMIT", r"^vkQueue"),
    ("UPDATE", r""),
]


def subject(name):
    return next(title for title, _, pattern in SUBJECTS if re.search(pattern, name))


def parts():
    """[(title, part, parts, stem of the part's files)]"""
    return [(title, part, count, title if count == 1 else f"{title}_{part + 1}")
            for title, count, _ in SUBJECTS for part in range(count)]


def share(items, part, count):
    """One of `count` even slices."""
    return items[len(items) * part // count:len(items) * (part + 1) // count]


class Policy:
    def __init__(self, path, registry, commands):
        try:
            with open(path, "rb") as file:
                self.data = tomllib.load(file)
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise RegistryError(f"{path}: {error}") from error
        self.path = path
        self.registry = registry
        self.commands = {command.name: command for command in commands}
        self._check()

    def _check(self):
        unknown = set(self.data) - SECTIONS - OPTIONAL_SECTIONS
        if unknown:
            raise RegistryError(f"{self.path}: unknown section [{sorted(unknown)[0]}]")
        self._check_shape()
        for section in ("handlers", "refused"):
            for name in self.data.get(section, {}):
                if not re.fullmatch(r"vk\w+", name):
                    raise RegistryError(f"{self.path}: [{section}] {name} is no command")
        both = set(self.data["handlers"]) & set(self.data["refused"])
        if both:
            raise RegistryError(f"{self.path}: {sorted(both)[0]} has a handler and is refused")
        if len(self.data["handlers"]) > HANDLERS_MAX:
            raise RegistryError(f"{self.path}: more than {HANDLERS_MAX} handlers")
        for section in ("keep", "ids", "nullable"):
            for entry in self.data[section]["members"]:
                owner, _, member = entry.partition(".")
                found = self.registry.commands.get(owner) or self.registry.type(owner)
                if found is not None and found.member(member) is None:
                    raise RegistryError(f"{self.path}: [{section}] no member {entry}")

    def _check_shape(self):
        for section in sorted(SECTIONS):
            if section not in self.data:
                raise RegistryError(f"{self.path}: no section [{section}]")
        for section in ("handlers", "refused", "filters"):
            for name, text in self.data[section].items():
                if not isinstance(text, str):
                    raise RegistryError(f"{self.path}: [{section}] {name} is not a text")
        for section, key in LISTS:
            if not isinstance(self.data[section].get(key), list):
                raise RegistryError(f"{self.path}: [{section}] {key} is not a list")

    def handler(self, command):
        return self.data["handlers"].get(command.name)

    def refusal(self, command):
        if not command.encoded:
            return "has no encoding"
        return self.data["refused"].get(command.name)

    def own(self, handle_type):
        return self.data["objects"]["own"].get(handle_type)

    def object_name(self, handle_type):
        """VkDeviceMemory → PV_OBJECT_DEVICE_MEMORY"""
        words = re.findall(r"[A-Z][a-z0-9]+|[A-Z]{2,}(?![a-z])", handle_type[2:])
        return "PV_OBJECT_" + "_".join(word.upper() for word in words)

    def handle_use(self, owner, member):
        """host: the host's handle. keep: our struct. id: the guest's id."""
        entry = f"{owner}.{member}"
        if entry in self.data["keep"]["members"]:
            return "keep"
        if entry in self.data["ids"]["members"]:
            return "id"
        command = self.commands.get(owner)
        if command and self.kind(command) == "destroy" and member == command.params[1].name:
            return "id"
        return "host"

    def check(self, struct_name):
        """The function that judges a decoded struct, or None."""
        return self.data.get("checks", {}).get(struct_name)

    def may_be_null(self, owner, member):
        return f"{owner}.{member}" in self.data["nullable"]["members"]

    def kind(self, command):
        if self.refusal(command):
            return "refused"
        if self.handler(command):
            return "handler"
        params = command.params
        handles = [p for p in params if p.stars and not p.const and self._is_handle(p)]
        if command.name.startswith("vkCreate") and len(handles) == 1:
            return "create_array" if handles[0].lens else "create"
        if command.name.startswith("vkDestroy") and len(params) == 3:
            return "destroy"
        if handles:
            raise RegistryError(f"{command.name} returns handles and has no handler")
        return "plain"

    def _is_handle(self, param):
        made = self.registry.type(param.type)
        return made is not None and made.category == "handle"

    @staticmethod
    def work(command):
        """A kind of enum pv_command_kind, without its prefix."""
        if command.private:
            return "PROTOCOL"
        return next(kind for kind, pattern in KINDS if re.search(pattern, command.name))

    @staticmethod
    def tells_nothing(command, wire):
        """Whether its reply is its number alone."""
        return command.returns == "void" and not wire.reply(command)

    def flags(self, command, wire):
        words = []
        if command.name in self.data["blocks"]["commands"]:
            words.append("PV_COMMAND_MAY_BLOCK")
        if command.name in self.data["streams"]["context_only"]:
            words.append("PV_COMMAND_ON_CONTEXT")
        if command.name in self.data["streams"]["ring_only"]:
            words.append("PV_COMMAND_ON_RING")
        if self.refusal(command):
            words.append("PV_COMMAND_NO_EXEC")
        if command.encoded:
            words.append("PV_COMMAND_ENCODED")
        if self.kind(command) == "handler":
            words.append("PV_COMMAND_HANDLED")
        if command.encoded and self.tells_nothing(command, wire):
            words.append("PV_COMMAND_TELLS_NOTHING")
        return " | ".join(words) if words else "0"

    def compiles(self, command):
        """Whether it may run on a compile thread."""
        return command.name in self.data["compiles"]["commands"]

    def waits_for_compiles(self, command):
        return command.name in self.data["compiles"]["waits"]

    def guest_only(self):
        return self.data["extensions"]["guest_only"]

    def filters(self, command):
        """[(filter, the address of what it corrects, the array's length or None)]"""
        found = []
        for param in command.params:
            if not param.stars or param.const:
                continue
            made = self.registry.type(param.type)
            for name, function in self.data["filters"].items():
                if made.name == name:
                    found.append((function, param, None))
                elif made.category == "struct":
                    for inner in made.members:
                        if inner.type == name and not inner.stars:
                            found.append((function, param, inner.name))
        return found
