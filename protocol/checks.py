"""What must be true of the inputs before anything is made of them: one line for what is not."""

import re

from registry import RegistryError

FACTS = {
    "versions": dict,
    "extensions": dict,
    "commands": dict,
    "enums": dict,
    "bitmasks": list,
    "structs": list,
    "private_commands": list,
}
ENTRIES = {"structs": ("name", "since", "members"),
           "private_commands": ("name", "since", "returns", "params")}


def check_facts(path, facts):
    if not isinstance(facts, dict):
        raise RegistryError(f"{path}: not an object with sections")
    for section, kind in FACTS.items():
        if section not in facts:
            raise RegistryError(f"{path}: no section '{section}'")
        if not isinstance(facts[section], kind):
            word = "a list" if kind is list else "an object"
            raise RegistryError(f"{path}: '{section}' is not {word}")
    for section, keys in ENTRIES.items():
        for index, entry in enumerate(facts[section]):
            for key in keys:
                if key not in entry:
                    title = entry.get("name", f"entry {index} of '{section}'")
                    raise RegistryError(f"{path}: {title} has no '{key}'")
            if "sType" in entry and not isinstance(entry.get("value"), int):
                raise RegistryError(f"{path}: {entry['name']} has an sType without a value")
    _check_numbers(path, facts["commands"])


def _check_numbers(path, commands):
    owners = {}
    for name, number in commands.items():
        if not isinstance(number, int) or number < 0:
            raise RegistryError(f"{path}: {name} has the number {number}")
        if number in owners:
            raise RegistryError(f"{path}: {name} has the number of {owners[number]}")
        owners[number] = name


def check_closure(registry, closure):
    """Every type and length that the protocol's structs and commands name is known. Private ones
    may need an extension that the registry is too old for; they drop out with it."""
    for name in sorted(closure.names):
        owner = registry.types.get(name) or registry.commands.get(name)
        for member in owner.members if not owner.private else []:
            if registry.type(member.type) is None:
                raise RegistryError(f"{name}::{member.name}: unknown type {member.type}")
            if closure.on_wire(owner) and closure.member_on_wire(member):
                _check_lengths(owner, member)
        for base in getattr(owner, "extends", []):
            if registry.type(base) is None:
                raise RegistryError(f"{name} extends the unknown struct {base}")


def _check_lengths(owner, member):
    for expression in member.lens:
        first = re.search(r"[a-z]\w*", expression)
        if expression != "null-terminated" and first and owner.member(first[0]) is None:
            raise RegistryError(f"{owner.name}::{member.name}: no member for its length "
                                f"'{expression}'")
