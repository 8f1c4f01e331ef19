#!/usr/bin/env python3
"""Checks comments for two habits that make them hard to read.

usage: check_english.py [PATH...]     a PATH is a file or a folder; without any: every source that git tracks

Prints each offence as FILE:LINE and ends with 1 if there is one:
  - A comment begins with What, Who, Whoever or Of. Its first sentence should begin with its subject instead.
  - An automatic reflow left a line behind: one or two words alone, or a line that ends far from the margin, while the
    sentence goes on below.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARKERS = {".cc": "//", ".h": "//", ".sh": "#", ".py": "#", ".build": "#", ".conf": "#", ".rules": "#"}
COLUMNS = 120
LONG = 100       # columns; a line left behind by a reflow stands below one that was too long
FREE_MAX = 40    # columns that a line may leave empty although the next word would have fitted
CLAUSE = re.compile(r"(?:what|who|whoever|of)\b", re.IGNORECASE)
DOCSTRING = re.compile(r'\s*"""(.*)')
TRAILING = re.compile(r"\s*[^/\s].*?[;,{)]\s+// (.*)")
LIST_ITEM = re.compile(r"[-*•|]\s|\d+[.)]\s|[\w.-]+ = |usage:|shellcheck |.*\S {2,}\S")  # or a setting, a table's row
SENTENCE_END = re.compile(r"[.:;!?]['\")]*$")


class Line:
    """A comment line that stands alone: its number, the column after its marker, and its text."""

    def __init__(self, number, line, marker):
        stripped = line.lstrip()
        comment = stripped.lstrip(marker[0])
        self.number = number
        self.text = comment.strip()
        self.indentation = len(comment) - len(comment.lstrip())
        self.columns = len(line)
        self.is_item = LIST_ITEM.match(self.text) is not None


def blocks_of(lines, marker):
    """Groups of comment lines without code or blank lines between them."""
    block = []
    for number, line in enumerate([*lines, ""], 1):
        stripped = line.lstrip()
        if stripped.startswith(marker) and not stripped.startswith("#!"):
            block.append(Line(number, line, marker))
        elif block:
            yield block
            block = []


def is_left_behind(before, line, after):
    """Whether `line` breaks off a sentence that `after` continues."""
    if not line.text or not after.text or line.is_item or after.is_item:
        return False
    if before is None or before.columns <= LONG or SENTENCE_END.search(line.text):
        return False
    if len(line.text.split()) <= 2:
        return True
    free = COLUMNS - line.columns - 1 - len(after.text.split()[0])
    return free > FREE_MAX and abs(line.indentation - after.indentation) <= 2 and after.text[0].islower()


def check(path):
    name = path.relative_to(ROOT)
    marker = MARKERS[path.suffix]
    lines = path.read_text().splitlines()
    for block in blocks_of(lines, marker):
        if CLAUSE.match(block[0].text) and not block[0].text.endswith("?"):
            yield f"{name}:{block[0].number}: begins with a clause: {block[0].text[:70]}"
        for before, line, after in zip([None, *block], block, block[1:]):
            if is_left_behind(before, line, after):
                yield f"{name}:{line.number}: a reflow left this behind: {line.text}"
    inline = TRAILING if marker == "//" else DOCSTRING
    for number, line in enumerate(lines, 1):
        found = inline.match(line)
        if found and CLAUSE.match(found[1]):
            yield f"{name}:{number}: begins with a clause: {found[1][:70]}"


def main():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = [name for name in tracked.splitlines() if pathlib.Path(name).suffix in MARKERS and (ROOT / name).exists()]
    if sys.argv[1:]:
        paths = [pathlib.Path(argument).resolve() for argument in sys.argv[1:]]
        files = [ROOT / name for name in names if any((ROOT / name).is_relative_to(path) for path in paths)]
    else:
        files = [ROOT / name for name in names]
    offences = [offence for file in files for offence in check(file)]
    print("\n".join(offences), end="\n" if offences else "")
    sys.exit(1 if offences else 0)


if __name__ == "__main__":
    main()
