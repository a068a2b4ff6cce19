"""What the bytes of each struct and command look like: wire programs.

A program is a list of steps. Runs of fixed size become one `take` step with loads at constant
offsets, nested plain structs included; everything whose size depends on the bytes is a step of its
own, and the word that says so (a pointer's presence, an array's size) ends the take before it. The
same programs drive the decoders, the encoders and the tests.

Modes: FULL sends everything. PARTIAL is an output in a request: only handles, sTypes, chains and
lengths are meaningful there, the rest is left out.
"""

import re
from types import SimpleNamespace

from closure import INDEXED_UNIONS
from registry import SCALARS, Command, RegistryError

FULL, PARTIAL = "full", "partial"

# Members that are sent only if a condition on earlier members holds.
SENT_IF = {
    ("VkBufferCreateInfo", "pQueueFamilyIndices"): "{0}sharingMode == VK_SHARING_MODE_CONCURRENT",
    ("VkImageCreateInfo", "pQueueFamilyIndices"): "{0}sharingMode == VK_SHARING_MODE_CONCURRENT",
    ("VkPhysicalDeviceImageDrmFormatModifierInfoEXT", "pQueueFamilyIndices"):
        "{0}sharingMode == VK_SHARING_MODE_CONCURRENT",
    ("VkFramebufferCreateInfo", "pAttachments"):
        "!({0}flags & VK_FRAMEBUFFER_CREATE_IMAGELESS_BIT)",
}

# Steps that a word of 8 bytes announces.
ANNOUNCED = {"pointer", "present_only", "string", "strings", "packed", "array", "arrays",
             "size_only", "fixed"}
TAKE_MAX = 4096  # PV_DECODE_TAKE_MAX

# Returned although no length names them.
ALSO_IN_AND_OUT = {("vkRegisterCustomBorderColorEXT", "pIndex")}

# Types that belong to the instance: their owner is 0.
INSTANCE_LEVEL = {"VkInstance", "VkPhysicalDevice", "VkDevice"}


class Wire:
    def __init__(self, registry, closure, policy):
        self.registry = registry
        self.closure = closure
        self.policy = policy
        self._sizes = {}
        self._pods = {}

    # --- facts about types --------------------------------------------------------------------

    def scalar(self, member):
        """How a scalar, enum, bitmask or handle is loaded: its kind, or None for other types."""
        made = self.registry.type(member.type)
        if made.category in ("basetype", "bitmask"):
            made = self.closure.base_of(made)
        if made.category == "handle":
            return "handle"
        if made.category == "enum":
            return "enum"
        if made.category == "enum64":
            return "uint64_t"
        if made.category == "scalar" and made.name in SCALARS:
            return made.name
        return None

    def is_bool(self, member):
        """VkBool32: what a guest sends is made 0 or 1, since drivers keep it in one bit."""
        return member.type == "VkBool32"

    def is_checked_enum(self, member):
        """Drivers index tables with enums, so a value that no registry knows is a fault."""
        return self.registry.canonical(member.type) in self.registry.enum_values

    def scalar_sizes(self, member):
        """(bytes on the wire, bytes in C)"""
        kind = self.scalar(member)
        if kind == "handle":
            return 8, 8
        if kind == "enum":
            return 4, 4
        return SCALARS[kind]

    def is_pod(self, name):
        """Whether a plain struct's bytes are the same on the wire and in C."""
        if name not in self._pods:
            self._pods[name] = self._pod_layout(self.registry.type(name)) is not None
        return self._pods[name]

    def _pod_layout(self, made):
        """(size, alignment) in C of a struct that has the same bytes on the wire, else None."""
        if made.category != "struct" or made.stype:
            return None
        offset, alignment = 0, 4
        for member in made.members:
            if member.stars or member.dims or member.selector or ":" in member.c:
                return None
            kind = self.scalar(member)
            if kind == "handle" or self.is_bool(member) or self.is_checked_enum(member):
                return None
            if kind:
                wire, size = self.scalar_sizes(member)
                align = size
                if wire != size:
                    return None
            else:
                inner = self._pod_layout(self.registry.type(member.type))
                if inner is None:
                    return None
                size, align = inner
            if offset % align:
                return None
            offset += size
            alignment = max(alignment, align)
        return None if offset % alignment else (offset, alignment)

    def alignment(self, member):
        """Of an array's packed elements."""
        made = self.registry.type(member.type)
        if made.category == "struct":
            return self._pod_layout(made)[1]
        if made.category == "void" or made.name == "char":
            return 1
        return self.scalar_sizes(member)[1]

    def packed(self, member):
        """Whether an array of such elements is the same bytes on the wire and in C."""
        made = self.registry.type(member.type)
        if made.category == "struct":
            return self.is_pod(made.name)
        kind = self.scalar(member)
        if kind in (None, "handle") or self.is_bool(member) or self.is_checked_enum(member):
            return False
        wire, size = self.scalar_sizes(member)
        return wire == size or kind == "uint8_t"

    # --- lengths ------------------------------------------------------------------------------

    def find(self, owner, expression):
        """The members that a len expression goes through, as written."""
        found, current = [], owner
        for name in re.split(r"->|\[i\]\.", expression):
            member = current.member(name)
            if member is None:
                return []
            found.append(member)
            current = self.registry.type(member.type)
        return found

    @staticmethod
    def length_names(expression):
        """The variable part of a len expression, such as a->b of 'a->b / 4'."""
        match = re.search(r"[a-z]\w*(?:(?:->|\[i\]\.)\w+)*", expression)
        return match[0] if match and expression != "null-terminated" else None

    def length(self, owner, member, level=0):
        """A len as C text over `{0}`, the prefix of the owner's members."""
        expression = member.lens[level]
        names = self.length_names(expression)
        found = self.find(owner, names) if names else []
        if not found:
            return expression
        last = found[-1]
        reach = "{0}" + names
        if last.stars:
            value = f"({{0}}{names} != NULL ? *{{0}}{names} : 0)"
        elif "->" in names:
            value = f"({{0}}{found[0].name} != NULL ? {reach} : 0)"
        else:
            value = reach
        kind = self.scalar(last)
        if kind == "enum":
            value = f"(uint32_t){value}"
        if value == reach and expression == names:
            return value
        return expression.replace(names, f"(uint64_t){value}" if "/" in expression else value)

    def names_lengths_of(self, owner, member):
        """The arrays of `owner` whose length goes through `member`."""
        for other in owner.members:
            if other is member or other.dims_are_enums:
                continue
            for expression in other.lens:
                names = self.length_names(expression)
                if names and member in self.find(owner, names):
                    yield other

    # --- programs -----------------------------------------------------------------------------

    def program(self, owner, mode, members=None, prefix="{0}", modes=None):
        """The steps of a struct's body or of a command's parameters."""
        found = []
        for member in owner.members if members is None else members:
            if member.name == "sType" and owner.stype or member.name == "pNext":
                continue
            found += self.steps(owner, member, modes[member.name] if modes else mode, prefix)
        return self.grouped(found)

    @staticmethod
    def grouped(found):
        """Joins loads that follow each other into one take, with the word of what comes next."""
        steps, run = [], None
        for step in found:
            size = step.size if step.kind == "load" else 8 if step.kind in ANNOUNCED else 0
            if size and (run is None or run.size + size > TAKE_MAX):
                run = SimpleNamespace(kind="take", size=0, loads=[])
                steps.append(run)
            if size:
                step.offset = run.size
                run.size += size
            if step.kind == "load":
                run.loads.append(step)
            else:
                steps.append(step)
                run = None
        return steps

    @staticmethod
    def head_size(program):
        """The bytes of fixed size that a program begins with."""
        return program[0].size if program and program[0].kind == "take" else 0

    @staticmethod
    def fixed_size(program):
        """The bytes of a program that is nothing but loads, else 0."""
        return program[0].size if len(program) == 1 and program[0].kind == "take" else 0

    def steps(self, owner, member, mode, prefix):
        path = prefix + member.name
        made = self.registry.type(member.type)
        output = mode == PARTIAL  # its handles are ids that the guest has chosen
        if mode == PARTIAL and not any(True for _ in self.names_lengths_of(owner, member)):
            if made is None or made.category not in ("handle", "struct"):
                return self._left_out(owner, member, path, prefix)
        elif mode == PARTIAL:
            mode = FULL
        if not self.closure.member_on_wire(member):
            found = [self._step("load", owner, member, path, prefix, size=8, load="null")]
        elif member.is_array:
            found = [self._array(owner, member, mode, path, prefix)]
        elif member.stars:
            found = [self._step("pointer", owner, member, path, prefix, mode=mode)]
        elif member.dims:
            found = self._fixed_array(owner, member, mode, path, prefix)
        else:
            found = self._value(owner, member, mode, path, prefix)
        for step in found:
            step.output = output
            if output and step.handle:
                step.handle.use = "id"
        return found

    def _step(self, kind, owner, member, path, prefix, **extra):
        step = SimpleNamespace(kind=kind, owner=owner, member=member, path=path, prefix=prefix,
                               type=member.type, made=self.registry.type(member.type),
                               mode=FULL, required=member.required, output=False)
        step.handle = self._handle(owner, member)
        step.is_bool = self.is_bool(member)
        step.checked = self.is_checked_enum(member)
        for name, value in extra.items():
            setattr(step, name, value)
        condition = SENT_IF.get((owner.name, member.name))
        step.condition = condition.replace("{0}", prefix) if condition else None
        return step

    def _left_out(self, owner, member, path, prefix):
        if member.is_array:
            length = self.length(owner, member, len(member.lens) - 1).replace("{0}", prefix)
            return [self._step("size_only", owner, member, path, prefix, length=length,
                               output=True)]
        if member.stars:
            return [self._step("present_only", owner, member, path, prefix, output=True)]
        return []

    def _value(self, owner, member, mode, path, prefix):
        if self.scalar(member):
            wire, _ = self.scalar_sizes(member)
            return [self._step("load", owner, member, path, prefix, size=wire,
                               load=self.scalar(member))]
        made = self.registry.type(member.type)
        if made.category == "union":
            selector = prefix + member.selector if member.selector else None
            return [self._step("union", owner, member, path, prefix, selector=selector)]
        if not made.stype:  # a plain struct dissolves into its members
            return [step for inner in made.members
                    for step in self.steps(made, inner, mode, path + ".")]
        return [self._step("struct", owner, member, path, prefix, mode=mode)]

    def _fixed_array(self, owner, member, mode, path, prefix):
        count = member.dims[0]
        if len(member.dims) > 1:
            raise RegistryError(f"{owner.name}::{member.name}: an array in two dimensions")
        kind = self.scalar(member)
        is_char = self.registry.type(member.type).name == "char"
        if isinstance(owner, Command):  # a pointer in C: the array lies elsewhere
            if not self.packed(member):
                return [self._step("array", owner, member, path, prefix, length=count, exact=None)]
            return [self._step("packed", owner, member, path, prefix, length=count, exact=None,
                               alignment=self.alignment(member))]
        if mode == FULL and (is_char or kind not in (None, "handle")) and \
                not self.is_checked_enum(member):
            number = self.number(count)
            element = 1 if is_char else self.scalar_sizes(member)[1]
            size = 8 + (number * element + 3) // 4 * 4
            load = "chars" if is_char else "scalars"
            return [self._step("load", owner, member, path, prefix, size=size, load=load,
                               count=count)]
        return [self._step("fixed", owner, member, path, prefix, mode=mode, count=count)]

    def number(self, name):
        text = str(name)
        while not text.isdigit():
            text = self.registry.constants.get(self.registry.canonical(text))
            if text is None:
                raise RegistryError(f"an array's size, {name}, is no number")
            text = text.strip("()").rstrip("Uu")
        return int(text)

    def _array(self, owner, member, mode, path, prefix):
        lengths = [None if text == "null-terminated" else
                   self.length(owner, member, level).replace("{0}", prefix)
                   for level, text in enumerate(member.lens)]
        exact = re.fullmatch(r"(\w+) / (\d+)", member.lens[0])
        extra = {"mode": mode, "length": lengths[0], "exact": None}
        if exact:
            extra["exact"] = (prefix + exact[1], exact[2])
        if member.lens == ["null-terminated"]:
            kind = "string"
        elif member.lens[-1] == "null-terminated":
            kind = "strings"
        elif len(member.lens) == 2:
            kind = "arrays"
            extra["inner"] = lengths[1]
        elif mode == FULL and (self.packed(member) or member.type == "void"):
            kind = "packed"
            extra["alignment"] = self.alignment(member)
        else:
            kind = "array"
        return self._step(kind, owner, member, path, prefix, **extra)

    def _handle(self, owner, member):
        made = self.registry.type(member.type)
        if made is None or made.category != "handle":
            return None
        use = self.policy.handle_use(owner.name, member.name)
        # An element's optionality is the second word of vk.xml's list.
        required = member.element_required if member.is_array else member.required
        return SimpleNamespace(type=made.name, use=use, own=self.policy.own(made.name),
                               object=self.policy.object_name(made.name),
                               instance_level=made.name in INSTANCE_LEVEL,
                               required=required and not self.policy.may_be_null(owner.name,
                                                                                 member.name))

    def element(self, step):
        """The steps of one element that a pointer or array step points to; the element's lvalue is
        `{0}`. A chained struct or a union is a single step of its own."""
        made, member = step.made, step.member
        if made.category == "struct" and not made.stype:
            return self.program(made, step.mode, prefix="{0}.")
        kind = self.scalar(member)
        if kind:
            wire, _ = self.scalar_sizes(member)
            load = self._step("load", step.owner, member, "{0}", "", size=wire, load=kind, offset=0)
            load.handle = step.handle
            return [SimpleNamespace(kind="take", size=wire, loads=[load])]
        if made.category == "union":
            return [self._step("union", step.owner, member, "{0}", "", selector=None)]
        return [self._step("struct", step.owner, member, "{0}", "", mode=step.mode)]

    # --- sizes --------------------------------------------------------------------------------

    def least(self, steps):
        """The fewest bytes that these steps can take on the wire."""
        total = 0
        for step in steps:
            if step.kind == "take":
                total += step.size
            elif step.kind == "struct":
                total += 12 + self.least_body(step.made, step.mode)
            elif step.kind == "union":
                total += 4
        return total

    def least_body(self, made, mode):
        key = (made.name, mode)
        if key not in self._sizes:
            self._sizes[key] = 0
            self._sizes[key] = self.least(self.program(made, mode))
        return self._sizes[key]

    # --- unions -------------------------------------------------------------------------------

    def union_cases(self, made):
        """[(tag as C text, the member's steps, member)] and the tag that is sent by default."""
        indexed = INDEXED_UNIONS.get(made.name)
        cases = []
        for index, member in enumerate(made.members):
            if indexed:
                if index not in indexed["legal"]:
                    continue
                tags = [str(index)]
            else:
                tags = member.selection
            steps = self.grouped(self.steps(made, member, FULL, "{0}"))
            cases.append(SimpleNamespace(tags=tags, steps=steps, member=member))
        return cases, (indexed["sent"] if indexed else None)

    # --- commands -----------------------------------------------------------------------------

    def directions(self, command):
        """in, out or inout for each parameter."""
        found = {p.name: "out" if p.stars and not p.const else "in" for p in command.params}
        for param in command.params:
            for expression in param.lens:
                names = self.length_names(expression)
                through = self.find(command, names) if names else []
                if through and found[through[0].name] == "out":
                    found[through[0].name] = "inout"
        for name in found:
            if (command.name, name) in ALSO_IN_AND_OUT:
                found[name] = "inout"
        return found

    def request(self, command):
        modes = {name: PARTIAL if direction == "out" else FULL
                 for name, direction in self.directions(command).items()}
        return self.program(command, FULL, modes=modes)

    def reply(self, command):
        directions = self.directions(command)
        members = [p for p in command.params if directions[p.name] != "in"]
        return self.program(command, FULL, members=members)

    def two_call_counts(self, command):
        """count parameter → array parameter, for enumerations that the caller sizes."""
        directions = self.directions(command)
        found = {}
        for param in command.params:
            if directions[param.name] == "out" and param.lens:
                through = self.find(command, self.length_names(param.lens[0]) or "")
                if through and directions[through[0].name] == "inout":
                    found[through[0].name] = param.name
        return found
