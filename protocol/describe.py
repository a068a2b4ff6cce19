"""What tests must know about arguments as they lie in C: a table row for each member.

The tables drive the random arguments, the deep comparison and the answers of the fake driver. They
come from the registry, not from wire.py's programs, so that a mistake there does not hide itself.
"""

import re
from types import SimpleNamespace

from closure import INDEXED_UNIONS
from registry import SCALARS, Command
from wire import SENT_IF

# C form of wire.SENT_IF: a member is sent if (member & mask) == value.
CONDITIONS = {
    "sharingMode == VK_SHARING_MODE_CONCURRENT":
        ("sharingMode", "UINT32_MAX", "VK_SHARING_MODE_CONCURRENT"),
    "!(flags & VK_FRAMEBUFFER_CREATE_IMAGELESS_BIT)":
        ("flags", "VK_FRAMEBUFFER_CREATE_IMAGELESS_BIT", "0"),
}


class Description:
    def __init__(self, model):
        self.model = model
        self.registry = model.registry
        self.closure = model.closure
        self.types = {}
        for command in model.encoded:
            self._reach(command)
        self.lengths = self._find_lengths()
        self.enums = {}  # name → sorted values
        self.link_count = 0
        for name in sorted(self.types):
            made = self.types[name]
            made.first_link = self.link_count
            self.link_count += len(made.accepts)

    def _reach(self, owner):
        todo = [owner]
        while todo:
            owner = todo.pop()
            for member in owner.members:
                made = self.registry.type(member.type)
                if made is None or made.category not in ("struct", "union"):
                    continue
                if not self.closure.member_on_wire(member) or made.name in self.types:
                    continue
                self.types[made.name] = made
                todo += [made, *made.accepts]
                for accepted in made.accepts:
                    self.types[accepted.name] = accepted

    def _find_lengths(self):
        """(owner, member) of everything that counts something, with the unit it counts in."""
        found = {}
        for owner in [*self.types.values(), *self.model.encoded]:
            for member in owner.members:
                for expression in member.lens:
                    self._add_length(found, owner, expression)
        return found

    def _add_length(self, found, owner, expression):
        names = re.search(r"[a-z]\w*(?:(?:->|\[i\]\.)\w+)*", expression)
        if names is None or expression == "null-terminated":
            return
        step = re.search(r"/ (\d+)", expression)
        for name in re.split(r"->|\[i\]\.", names[0]):
            member = owner.member(name)
            if member is None:
                return
            made = self.registry.type(member.type)
            if made.category not in ("struct", "union"):
                found[owner.name, member.name] = int(step[1]) if step else 1
            owner = made

    def enum_of(self, name):
        self.enums[name] = sorted(self.registry.enum_values[name])
        return name

    def all_enums(self):
        for owner in [*self.types.values(), *self.model.encoded]:
            self.rows(owner)
        return sorted(self.enums.items())

    def of_subject(self, chosen):
        """The types whose name `chosen` accepts, sorted."""
        return [self.types[name] for name in sorted(self.types) if chosen(name)]

    # --- rows ---------------------------------------------------------------------------------

    def rows(self, owner):
        return [self._row(owner, member) for member in owner.members
                if not (member.name == "pNext" or member.name == "sType" and owner.stype)]

    def union_tags(self, made):
        """[(tag, index of the member)] that an encoder sends."""
        if made.name in INDEXED_UNIONS:
            sent = INDEXED_UNIONS[made.name]["sent"]
            return [(sent, sent)]
        return [(tag, index) for index, member in enumerate(made.members)
                for tag in member.selection]

    def _row(self, owner, member):
        made = self.registry.type(member.type)
        row = SimpleNamespace(name=member.name, member=member, owner=owner, flags=[], type=None,
                              object=None, count=None, lengths=[], selector=None, condition=None,
                              unit=1, enum=None)
        if not self.closure.member_on_wire(member):
            row.shape, row.kind = "NOTHING", "BITS"
            return row
        row.kind = self._kind(member, made)
        if made.category in ("struct", "union"):
            row.type = made.name
        if row.kind == "HANDLE":
            row.object = self.model.policy.object_name(made.name)
        if made.name in self.registry.enum_values:
            row.enum = self.enum_of(made.name)
        row.shape = self._shape(row, owner, member)
        row.lengths = [self._length(owner, text) for text in member.lens
                       if row.shape in ("ARRAY", "STRINGS", "ARRAYS") and text != "null-terminated"]
        if row.shape == "ARRAY" and not member.lens:
            row.lengths = [SimpleNamespace(how="CONSTANT", value=member.dims[0])]
        self._add_flags(row, owner, member)
        self._add_rules(row, owner, member, made)
        return row

    def _kind(self, member, made):
        if member.type == "VkBool32":
            return "BOOL"
        if made.category in ("struct", "union", "handle", "enum"):
            return made.category.upper()
        if made.category == "void":
            return "BYTES"
        return "CHAR" if made.name == "char" else "BITS"

    @staticmethod
    def _shape(row, owner, member):
        if member.dims:
            row.count = member.dims[0]
            return "ARRAY" if isinstance(owner, Command) else "FIXED"
        if not member.stars:
            return "VALUE"
        if not member.lens:
            return "POINTER"
        if member.lens == ["null-terminated"]:
            return "STRING"
        if member.lens[-1] == "null-terminated":
            return "STRINGS"
        return "ARRAYS" if len(member.lens) == 2 else "ARRAY"

    def _add_flags(self, row, owner, member):
        if member.required and row.shape != "VALUE":
            row.flags.append("REQUIRED")
        element = member.element_required if member.lens else member.required
        nullable = self.model.policy.may_be_null(owner.name, member.name)
        if row.kind == "HANDLE" and element and not nullable:
            row.flags.append("HANDLE_REQUIRED")
        if (owner.name, member.name) in self.lengths:
            row.flags.append("LENGTH")
            row.unit = self.lengths[owner.name, member.name]
        if any(member in self._through(owner, text) for other in owner.members
               if other is not member and not other.dims_are_enums for text in other.lens):
            row.flags.append("SENT_PARTLY")  # even where only parts of an output are sent
        if isinstance(owner, Command):
            direction = self.model.wire.directions(owner)[member.name]
            if direction != "in":
                row.flags.append("OUT" if direction == "out" else "IN_AND_OUT")

    def _through(self, owner, expression):
        names = re.search(r"[a-z]\w*(?:(?:->|\[i\]\.)\w+)*", expression)
        if names is None or expression == "null-terminated":
            return []
        first = owner.member(re.split(r"->|\[i\]\.", names[0])[0])
        return [first] if first else []

    def _add_rules(self, row, owner, member, made):
        condition = SENT_IF.get((owner.name, member.name))
        if condition:
            row.condition = CONDITIONS[condition.replace("{0}", "")]
        if made.category == "union" and made.name not in INDEXED_UNIONS:
            row.selector = member.selector

    # --- lengths ------------------------------------------------------------------------------

    def _length(self, owner, expression):
        names = re.search(r"[a-z]\w*(?:(?:->|\[i\]\.)\w+)*", expression)
        if names is None or owner.member(re.split(r"\W", names[0])[0]) is None:
            return SimpleNamespace(how="CONSTANT", value=expression)
        words = re.split(r"->|\[i\]\.", names[0])
        first = owner.member(words[0])
        arithmetic = re.fullmatch(r"(?:\(\w+ \+ (\d+)\)|\w+) / (\d+)", expression)
        found = SimpleNamespace(how="MEMBER", member=words[0], type=None, inner=None,
                                add=int(arithmetic[1] or 0) if arithmetic else 0,
                                divide=int(arithmetic[2]) if arithmetic else 0)
        if len(words) == 2:
            found.how = "THROUGH_ARRAY" if "[i]" in names[0] else "THROUGH"
            found.type, found.inner = self.registry.type(first.type).name, words[1]
        elif first.stars:
            found.how, found.type = "POINTER", first.type
        return found

    def scalar_size(self, name):
        made = self.closure.base_of(self.registry.type(name)) or self.registry.type(name)
        return SCALARS[made.name][1] if made.name in SCALARS else 4
