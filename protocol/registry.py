"""Reads the Vulkan registry (vk.xml) and our own facts (venus.json) into a typed model.

Only what the Venus protocol needs is kept: types, commands, and which of them belong to the
protocol. What the bytes look like is wire.py's work; what we do with a command is commands.toml's.
"""

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field


class RegistryError(Exception):
    """One line about what is wrong with an input file."""


SCALARS = {  # C type → (bytes on the wire, bytes in C)
    "uint8_t": (4, 1),
    "uint16_t": (4, 2),
    "uint32_t": (4, 4),
    "int32_t": (4, 4),
    "float": (4, 4),
    "uint64_t": (8, 8),
    "int64_t": (8, 8),
    "double": (8, 8),
    "size_t": (8, 8),
}

ALIASES_MAX = 16

# Layering structs that describe other drivers: left out of the protocol on purpose.
LEFT_OUT_TYPES = {
    "VkPhysicalDeviceLayeredApiPropertiesListKHR",
    "VkPhysicalDeviceLayeredApiPropertiesKHR",
    "VkPhysicalDeviceLayeredApiKHR",
    "VkPhysicalDeviceLayeredApiVulkanPropertiesKHR",
}

# vk.xml cannot say how long the inner arrays of these are.
INNER_LENGTHS = {
    "ppBuildRangeInfos": "pInfos[i].geometryCount",
    "ppMaxPrimitiveCounts": "pInfos[i].geometryCount",
}


@dataclass
class Member:
    """A struct's member or a command's parameter."""

    name: str
    type: str  # without const, stars and dimensions
    stars: int = 0
    const: bool = False
    dims: list = field(default_factory=list)  # fixed array sizes, as C text
    dims_are_enums: bool = False  # sized by an API constant: its len is ignored on the wire
    lens: list = field(default_factory=list)  # one expression per pointer level
    optional: list = field(default_factory=list)  # of bool, per level
    noautovalidity: bool = False
    selector: str | None = None
    selection: list | None = None
    values: str | None = None
    c: str = ""  # the declaration

    @property
    def is_array(self):
        return self.stars > 0 and bool(self.lens)

    @property
    def required(self):
        return not ((self.optional and self.optional[0]) or self.noautovalidity)

    @property
    def element_required(self):
        inner = len(self.optional) > 1 and self.optional[1]
        return not (inner or self.noautovalidity)


@dataclass
class Type:
    name: str
    category: str  # struct, union, handle, enum, enum64, bitmask, basetype, scalar, void, other
    members: list = field(default_factory=list)
    base: str | None = None  # of a bitmask or basetype: the scalar behind it
    stype: str | None = None
    stype_value: int | None = None
    extends: list = field(default_factory=list)
    repeats: bool = False
    dispatchable: bool = False
    private: bool = False
    requires: str | None = None
    values: dict = field(default_factory=dict)  # of a private enum

    def member(self, name):
        return next((m for m in self.members if m.name == name), None)


@dataclass
class Command:
    """A Vulkan command; `stype` is here so that structs and commands can be walked alike."""
    name: str
    returns: str
    params: list
    number: int | None = None
    private: bool = False
    aliases: list = field(default_factory=list)
    origins: list = field(default_factory=list)  # (feature or extension, version or None)
    stype = None

    @property
    def members(self):
        return self.params

    def member(self, name):
        return next((p for p in self.params if p.name == name), None)


@dataclass
class Extension:
    name: str
    number: int
    spec_version: int
    device: bool
    requires: list = field(default_factory=list)  # (depends, [names])


def parse_lens(text, altlen, name):
    if altlen:
        return altlen.split(",")
    lens = text.split(",")
    if name in INNER_LENGTHS:
        lens.append(INNER_LENGTHS[name])
    return lens


def parse_c(declaration, attributes):
    """A Member from its C declaration (comments removed) and vk.xml's attributes."""
    text = re.sub(r"\s+", " ", declaration).strip()
    match = re.fullmatch(
        r"(?P<const>const )?\s*(?:struct )?(?P<type>\w+)(?=[\s*])\s*"
        r"(?P<stars>[*\s]*(?:const\s*\*)?[*\s]*)"
        r"(?P<name>\w+)\s*(?P<dims>(?:\[\s*\w+\s*\]\s*)*)(?::\s*\d+)?",
        text,
    )
    if not match:
        raise RegistryError(f"cannot read the declaration '{text}'")
    name = match["name"]
    member = Member(name=name, type=match["type"], c=text)
    member.stars = match["stars"].count("*")
    member.const = bool(match["const"])
    member.dims = re.findall(r"\[\s*(\w+)\s*\]", match["dims"])
    if "len" in attributes:
        member.lens = parse_lens(attributes["len"], attributes.get("altlen"), name)
    if "optional" in attributes:
        member.optional = [word == "true" for word in attributes["optional"].split(",")]
    member.noautovalidity = attributes.get("noautovalidity") == "true"
    member.selector = attributes.get("selector")
    if "selection" in attributes:
        member.selection = attributes["selection"].split(",")
    member.values = attributes.get("values")
    return member


def number_of(text, name):
    try:
        return int(text, 0)
    except (TypeError, ValueError) as error:
        raise RegistryError(f"{name} has the value '{text}', which is no number") from error


def element_text(element):
    parts = [element.text or ""]
    for child in element:
        if child.tag != "comment":
            parts.append(" " + (child.text or "") + " ")
        parts.append(child.tail or "")
    return "".join(parts)


def parse_member(element):
    if element.find("name") is None or element.find("type") is None:
        raise RegistryError("a member or parameter without a name or a type")
    member = parse_c(element_text(element), element.attrib)
    member.dims_are_enums = element.find("enum") is not None
    return member


def drop_other_apis(element):
    for child in list(element):
        api = child.attrib.get("api")
        if api is not None and "vulkan" not in api.split(",") and "vulkanbase" not in api:
            element.remove(child)
        else:
            drop_other_apis(child)


class Registry:
    """Types, commands and extensions by name, with aliases resolved."""

    def __init__(self, xml_path, facts):
        self.types = {name: Type(name, "scalar") for name in SCALARS}
        self.types["char"] = Type("char", "scalar")
        self.types["void"] = Type("void", "void")
        self.commands = {}
        self.aliases = {}
        self.extensions = {}
        self.features = []  # (name, "1.0", [names])
        self.stype_values = {}
        self.enum_values = {}  # of every enum that is no bitmask: the set of its values
        self.constants = {}
        self.header_version = None
        try:
            root = ElementTree.parse(xml_path).getroot()
        except (OSError, ElementTree.ParseError) as error:
            raise RegistryError(f"{xml_path}: {error}") from error
        if root.tag != "registry":
            raise RegistryError(f"{xml_path}: the root element is <{root.tag}>, not <registry>")
        drop_other_apis(root)
        self._read_types(root)
        self._read_enums(root)
        self._read_commands(root)
        self._read_features(root)
        self._add_private(facts)

    def type(self, name):
        return self.types.get(self.canonical(name))

    def canonical(self, name):
        """The name behind aliases, which are few: a longer way is a loop."""
        for _ in range(ALIASES_MAX):
            if name not in self.aliases:
                return name
            name = self.aliases[name]
        raise RegistryError(f"{name} is an alias of itself")

    # --- vk.xml -------------------------------------------------------------------------------

    def _read_types(self, root):
        for types in root.findall("types"):
            for element in types.findall("type"):
                self._read_type(element)
        if self.header_version is None:
            raise RegistryError("the registry has no VK_HEADER_VERSION")

    def _read_type(self, element):
        category = element.get("category")
        name = element.get("name") or element.findtext("name") or element.findtext("proto/name")
        if name in LEFT_OUT_TYPES or name in self.types or name is None:
            return
        if name == "VK_HEADER_VERSION":
            found = re.search(r"VK_HEADER_VERSION\s+(\d+)", element_text(element))
            self.header_version = number_of(found[1] if found else None, name)
        if "alias" in element.attrib:
            self.aliases[name] = element.get("alias")
            return
        made = Type(name, category if category else "other")
        if category in ("struct", "union"):
            self._read_struct(made, element)
        elif category == "basetype":
            made.base = element.findtext("type")
            if made.base is None:
                made.category = "other"
        elif category == "bitmask":
            made.base = element.findtext("type")
            made.requires = element.get("requires") or element.get("bitvalues")
        elif category == "handle":
            made.dispatchable = element.findtext("type") == "VK_DEFINE_HANDLE"
        elif category != "enum":
            made.category = "other"
        self.types[name] = made

    def _read_struct(self, made, element):
        try:
            made.members = [parse_member(member) for member in element.findall("member")]
        except RegistryError as error:
            raise RegistryError(f"{made.name}: {error}") from error
        made.extends = [word for word in element.get("structextends", "").split(",") if word]
        made.repeats = element.get("allowduplicate") == "true"
        first = made.members[0] if made.members else None
        if first and first.name == "sType" and first.values:
            made.stype = first.values.split(",")[0]
        self._move_lengths(made)

    @staticmethod
    def _move_lengths(made):
        """A length that is declared behind its array goes in front of it on the wire."""
        ordered = []
        for member in made.members:
            for length in member.lens:
                ahead = made.member(length.split("[")[0])
                if ahead and ahead is not member and ahead not in ordered:
                    ordered.append(ahead)
            if member not in ordered:
                ordered.append(member)
        made.members = ordered

    def _read_enums(self, root):
        for enums in root.findall("enums"):
            made = self.types.get(enums.get("name"))
            if made and enums.get("bitwidth") == "64":
                made.category = "enum64"
            if enums.get("type") == "enum":
                self.enum_values[enums.get("name")] = set()
            for entry in enums.findall("enum"):
                if "alias" in entry.attrib:
                    self.aliases[entry.get("name")] = entry.get("alias")
                elif "value" in entry.attrib:
                    self._add_value(enums.get("name"), entry.get("name"), entry.get("value"))
        for block in [*root.findall("feature"), *root.findall("extensions/extension")]:
            for entry in block.findall("require/enum"):
                self._read_extending_enum(entry, block.get("number"))

    def _add_value(self, enum, name, text):
        self.constants[name] = text
        if enum in self.enum_values:
            self.enum_values[enum].add(number_of(text, name))
        if enum == "VkStructureType":
            self.stype_values[name] = number_of(text, name)

    def _read_extending_enum(self, entry, number):
        name = entry.get("name")
        if "alias" in entry.attrib:
            self.aliases[name] = entry.get("alias")
        elif entry.get("extends") and "offset" in entry.attrib:
            block = number_of(entry.get("extnumber") or number, name)
            value = 1000000000 + (block - 1) * 1000 + number_of(entry.get("offset"), name)
            self._add_value(entry.get("extends"), name, entry.get("dir", "") + str(value))
        elif entry.get("extends") and "value" in entry.attrib:
            self._add_value(entry.get("extends"), name, entry.get("value"))

    def stype_value(self, name):
        value = self.stype_values.get(self.canonical(name))
        if value is None:
            raise RegistryError(f"no value for {name}")
        return value

    def _read_commands(self, root):
        for element in root.findall("commands/command"):
            if "alias" in element.attrib:
                self.aliases[element.get("name")] = element.get("alias")
                continue
            name = element.findtext("proto/name")
            if name is None:
                raise RegistryError("a command without a name")
            try:
                params = [parse_member(param) for param in element.findall("param")]
            except RegistryError as error:
                raise RegistryError(f"{name}: {error}") from error
            self.commands[name] = Command(name, element.findtext("proto/type"), params)
        for alias, target in self.aliases.items():
            command = self.commands.get(self.canonical(target))
            if command:
                command.aliases.append(alias)

    def _read_features(self, root):
        for feature in root.findall("feature"):
            names = self._required_names(feature.findall("require"))
            self.features.append((feature.get("name"), feature.get("number"), names))
            for name in names:
                if name in self.commands:
                    self.commands[name].origins.append((feature.get("name"), feature.get("number")))
        for element in root.findall("extensions/extension"):
            if "vulkan" not in element.get("supported", "").split(","):
                continue
            made = Extension(element.get("name"),
                             number_of(element.get("number"), element.get("name")), 0,
                             element.get("type") == "device")
            for require in element.findall("require"):
                names = self._required_names([require])
                made.requires.append((require.get("depends"), names))
                for entry in require.findall("enum"):
                    if entry.get("name", "").endswith("_SPEC_VERSION") and entry.get("value"):
                        made.spec_version = int(entry.get("value"))
                for name in names:
                    command = self.commands.get(self.canonical(name))
                    if command:
                        command.origins.append((made.name, name))
            self.extensions[made.name] = made

    @staticmethod
    def _required_names(requires):
        return [entry.get("name") for require in requires for entry in require
                if entry.tag in ("type", "command")]

    # --- venus.json ---------------------------------------------------------------------------

    def _add_private(self, facts):
        for name in facts["bitmasks"]:
            self.types[name] = Type(name, "bitmask", base="VkFlags", private=True)
        for name, values in facts["enums"].items():
            self.types[name] = Type(name, "enum", private=True, values=values)
        for entry in facts["structs"]:
            made = Type(entry["name"], "struct", private=True)
            made.members = self._private_members(entry["name"], entry["members"])
            made.stype = entry.get("sType")
            made.extends = entry.get("extends", [])
            if made.stype:
                self.stype_values[made.stype] = entry["value"]
            self.types[made.name] = made
        for entry in facts["private_commands"]:
            if entry.get("host") and entry["host"] not in self.commands:
                continue  # an older registry: there is nothing that it could call
            params = self._private_members(entry["name"], entry["params"])
            self.commands[entry["name"]] = Command(entry["name"], entry["returns"], params,
                                                   private=True)

    @staticmethod
    def _private_members(owner, entries):
        found = []
        for entry in entries:
            attributes = {key: entry[key] for key in ("len",) if key in entry}
            for key in ("optional", "noautovalidity"):
                if entry.get(key):
                    attributes[key] = "true"
            try:
                found.append(parse_c(entry["c"], attributes))
            except RegistryError as error:
                raise RegistryError(f"{owner}: {error}") from error
        return found


def load_facts(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path}: {error}") from error
