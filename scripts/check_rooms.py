#!/usr/bin/env python3
"""Checks that dependencies point one way, and that no folder is a heap.

usage: check_rooms.py [--table | --design]

The one table is scripts/rooms.txt. Without options: prints each offence as FILE:LINE and ends with 1 if there is one.
DESIGN.md must show the table as --design prints it.
--table prints each folder with its sources, lines, and the number of its includes by other room.
"""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES_MAX = 25  # in one folder; a .cc and its .h count once
INCLUDE = re.compile(r'#include\s+(["<])([^">]+)[">]')


def read_rooms():
    """Room -> (rooms it may include, prefixes of system headers it must not)."""
    rooms = {}
    for number, line in enumerate((ROOT / "scripts/rooms.txt").read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, rest = line.split(":", 1)
        allowed, _, forbidden = rest.partition("!")
        for room in allowed.split():
            if room not in rooms:
                sys.exit(f"scripts/rooms.txt:{number}: {name} names {room}, which is not listed above it")
        rooms[name] = (set(allowed.split()), tuple(forbidden.split()))
    return rooms


def files_of(room):
    return sorted(p for p in (ROOT / room).iterdir() if p.suffix in (".h", ".cc"))


def includes_of(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := INCLUDE.match(line):
            yield number, found[1] == '"', found[2]


def check(rooms):
    offences = []
    present = {str(p.parent.relative_to(ROOT)) for room in {r.split("/")[0] for r in rooms}
               for p in (ROOT / room).rglob("*") if p.suffix in (".h", ".cc")}
    offences += [f"{room}: not in scripts/rooms.txt" for room in sorted(present - set(rooms))]
    offences += [f"scripts/rooms.txt: {room} has no sources" for room in sorted(set(rooms) - present)]
    for room in sorted(present & set(rooms)):
        allowed, forbidden = rooms[room]
        sources = {p.stem for p in files_of(room)}
        if len(sources) > SOURCES_MAX:
            offences.append(f"{room}: {len(sources)} sources, more than {SOURCES_MAX}: which halves does it have?")
        for path in files_of(room):
            for number, ours, name in includes_of(path):
                where = f"{path.relative_to(ROOT)}:{number}"
                to = str(pathlib.PurePosixPath(name).parent)
                if ours and to != room and to not in allowed:
                    offences.append(f"{where}: {room} must not include {name}")
                if not ours and name.startswith(forbidden):
                    offences.append(f"{where}: {room} must not include <{name}>")
    return offences


def design_table(rooms):
    """The rows that DESIGN.md shows."""
    order = list(rooms)
    for room, (allowed, forbidden) in rooms.items():
        above = order[:order.index(room)]
        missing = [f"`{name}`" for name in above if name not in allowed]
        names = ", ".join(f"`{name}`" for name in above if name in allowed) or "–"
        if not missing and len(above) > 3:
            names = "all above"
        never = ", ".join(f"`{prefix}`" for prefix in forbidden) or "–"
        yield f"| `{room}` | {names} | {never} |"


def check_design(rooms):
    text = (ROOT / "DESIGN.md").read_text()
    if "\n".join(design_table(rooms)) not in text:
        yield "DESIGN.md: its table of rooms is not scripts/rooms.txt (check_rooms.py --design prints it)"


def print_table(rooms):
    print("| room | sources | lines | includes of other rooms |")
    print("| --- | --- | --- | --- |")
    for room in rooms:
        lines, to = 0, collections.Counter()
        for path in files_of(room):
            lines += len(path.read_text().splitlines())
            to.update(str(pathlib.PurePosixPath(name).parent) for _, ours, name in includes_of(path) if ours)
        to.pop(room, None)
        arrows = ", ".join(f"{name} {count}" for name, count in sorted(to.items()))
        print(f"| `{room}` | {len({p.stem for p in files_of(room)})} | {lines} | {arrows or '–'} |")


def main():
    if sys.argv[1:] not in ([], ["--table"], ["--design"]):
        sys.exit(__doc__)
    rooms = read_rooms()
    if sys.argv[1:] == ["--table"]:
        print_table(rooms)
        return
    if sys.argv[1:] == ["--design"]:
        print("\n".join(design_table(rooms)))
        return
    offences = [*check(rooms), *check_design(rooms)]
    print("\n".join(offences), end="\n" if offences else "")
    sys.exit(1 if offences else 0)


if __name__ == "__main__":
    main()
