"""Which types and commands belong to the Venus protocol.

All of core Vulkan plus the extensions listed in venus.json, closed over the types that their
commands and structs mention. pNext structs are not dependencies: a struct accepts those that extend
it, belong to the closure and can be put on the wire.
"""

from registry import SCALARS, Member, RegistryError

# Unions without a selector: the tag is the index of the member. What Mesa sends, and what is legal.
INDEXED_UNIONS = {
    "VkClearColorValue": {"sent": 2, "legal": [0, 1, 2]},
    "VkClearValue": {"sent": 0, "legal": [0, 1]},
    "VkDeviceOrHostAddressKHR": {"sent": 0, "legal": [0, 1]},
    "VkDeviceOrHostAddressConstKHR": {"sent": 0, "legal": [0, 1]},
}

# Could be put on the wire, but the protocol replaces or forbids them.
WITHOUT_ENCODING = {
    "vkBuildAccelerationStructuresKHR",
    "vkCopyAccelerationStructureToMemoryKHR",
    "vkCopyMemoryToAccelerationStructureKHR",
    "vkWriteSamplerDescriptorsEXT",
    "vkWriteResourceDescriptorsEXT",
}


def split_outside(text, separator):
    parts, current, depth = [], "", 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == separator and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    if current:
        parts.append(current.strip())
    return parts


def depends_on_extensions(text, listed):
    """Whether a `depends` expression holds, reading every core version as true."""
    if not text:
        return True
    alternatives = split_outside(text, ",")
    if len(alternatives) > 1:
        return any(depends_on_extensions(part, listed) for part in alternatives)
    terms = split_outside(text, "+")
    if len(terms) > 1:
        return all(depends_on_extensions(part, listed) for part in terms)
    term = text.strip()
    if term.startswith("(") and term.endswith(")"):
        return depends_on_extensions(term[1:-1], listed)
    if term.startswith("VK_VERSION") or not term.startswith("VK_"):
        return True  # a core version, or a feature of a device
    return term in listed


class Closure:
    def __init__(self, registry, facts):
        self.registry = registry
        self.listed = set(facts["extensions"])
        self._answers = {}
        self.names = set()
        for name in self._seeds(facts):
            self._add(name)
        self._connect_chains()

    def _seeds(self, facts):
        registry = self.registry
        names = [name for _, _, required in registry.features for name in required]
        for name in facts["extensions"]:
            extension = registry.extensions.get(name)
            for depends, required in extension.requires if extension else []:
                if depends_on_extensions(depends, self.listed):
                    names += required
        names += [entry["name"] for entry in facts["structs"] + facts["private_commands"]]
        return names

    def _add(self, name):
        registry = self.registry
        todo = [name]
        while todo:
            name = registry.canonical(todo.pop())
            found = registry.types.get(name) or registry.commands.get(name)
            if found is None or name in self.names:
                continue
            self.names.add(name)
            todo += [member.type for member in found.members]
            for extra in ("base", "requires", "returns"):
                if getattr(found, extra, None):
                    todo.append(getattr(found, extra))

    def _connect_chains(self):
        """Fills Type.accepts: the structs a base struct's chain may hold, sorted by sType."""
        registry = self.registry
        for made in registry.types.values():
            made.accepts = []
        for made in registry.types.values():
            if made.name not in self.names or not made.stype or not self.on_wire(made):
                continue
            for base in made.extends:
                extended = registry.type(base)
                if extended and made not in extended.accepts:
                    extended.accepts.append(made)
        for made in registry.types.values():
            made.accepts.sort(key=lambda entry: registry.stype_value(entry.stype))

    # --- what can be serialised ---------------------------------------------------------------

    def base_of(self, made):
        """A bitmask's or basetype's scalar; None where there is none."""
        while made and made.category in ("basetype", "bitmask"):
            made = self.registry.type(made.base) if made.base else None
        return made

    def on_wire(self, made):
        """Whether a struct, union or command can be put on the wire."""
        if made.name not in self._answers:
            self._answers[made.name] = True  # a struct that names itself would ask for ever
            self._answers[made.name] = self._on_wire(made)
        return self._answers[made.name]

    def _on_wire(self, made):
        if getattr(made, "category", None) == "union":
            return made.name in INDEXED_UNIONS or all(m.selection for m in made.members)
        if made.name in WITHOUT_ENCODING or made.name.startswith(("VkBaseIn", "VkBaseOut")):
            return False
        returns = getattr(made, "returns", "void")
        if returns != "void" and not self.member_on_wire(Member("ret", returns)):
            return False
        for member in made.members:
            skippable = member.stars and member.optional and member.optional[0]
            if member.name == "pNext" or skippable:
                continue
            if not self.member_on_wire(member):
                return False
        return True

    def member_on_wire(self, member):
        made = self.registry.type(member.type)
        if made is None:
            return False
        if made.category == "void":
            return member.stars == 1 and not member.dims and bool(member.lens)
        if made.category in ("basetype", "bitmask"):
            made = self.base_of(made)
            return made is not None and made.category == "scalar"
        if made.category in ("scalar", "handle", "enum", "enum64"):
            return made.name in SCALARS or made.category != "scalar" or made.name == "char"
        if made.category in ("struct", "union"):
            return self.on_wire(made)
        return False


def protocol_commands(registry, closure, facts):
    """The commands with a number, in number order; `encoded` tells whether they have bytes.

    A number whose command the registry lacks is left out: its extension is too new for it."""
    found = []
    for name, number in facts["commands"].items():
        command = registry.commands.get(registry.canonical(name))
        if command is None or command.name not in closure.names:
            continue
        command.number = number
        command.encoded = closure.on_wire(command)
        found.append(command)
    if not found:
        raise RegistryError("the registry has none of the protocol's commands")
    return sorted(found, key=lambda command: command.number)
