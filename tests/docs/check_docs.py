"""Do the documents tell the truth about files, doors and commands?

Every relative link in every Markdown file must lead somewhere. Every `make DOOR` and `equerry ROOM COMMAND` written as
code in README.md, CONTRIBUTING.md and docs/ must exist. Dated decisions may name doors that are gone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from typer.core import TyperGroup

import equerry

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?[^)]*\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
DOOR = re.compile(r"(?:^\s*|`)make ([a-z][a-z-]*)", re.MULTILINE)  # a sentence may say "make the circle blue"
COMMAND = re.compile(r"(?<![\w/.-])(?:\.venv/bin/)?equerry((?: [a-z][a-z-]*)+)")


def documents(root: Path) -> Iterator[Path]:
    """The Markdown files of the tree, without those of installed packages, caches and outputs."""
    for path in sorted(root.rglob("*.md")):
        folders = path.relative_to(root).parts[:-1]
        if not any(folder in {"out", "runs", "build", "dist"} or folder.startswith(".") for folder in folders):
            yield path


def broken_links(text: str, folder: Path) -> list[str]:
    """The relative links in a document of this folder that lead nowhere."""
    targets = [match[1].partition("#")[0] for match in LINK.finditer(CODE.sub("", text))]
    return [target for target in targets if target and ":" not in target and not (folder / target).exists()]


def missing_doors(text: str, makefile: str) -> list[str]:
    """The `make DOOR` in a document's code that the Makefile does not have."""
    doors = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    return [f"make {door}" for code in CODE.findall(text) for door in DOOR.findall(code) if door not in doors]


def missing_commands(text: str) -> list[str]:
    """The `equerry ...` in a document's code that the command line does not have."""
    named = [words for code in CODE.findall(text) for words in COMMAND.findall(code)]
    return [f"equerry{words}" for words in named if not command_exists(words.split())]


def command_exists(words: list[str]) -> bool:
    """Whether these words lead to a command, or past one to its arguments."""
    if words[0] not in equerry.DOORS:
        return False
    here = equerry.door(words[0])
    for word in words[1:]:
        there = here.commands.get(word)
        if not isinstance(there, TyperGroup):
            return there is not None
        here = there
    return True


def complaints(root: Path) -> Iterator[str]:
    """What is wrong, one line each."""
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    for path in documents(root):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(root)
        yield from (f"{name}: the link {target} leads nowhere" for target in broken_links(text, path.parent))
        if str(name) in {"README.md", "CONTRIBUTING.md"} or (name.parts[0] == "docs" and "decisions" not in name.parts):
            yield from (f"{name}: {door} does not exist" for door in missing_doors(text, makefile))
            yield from (f"{name}: {command} does not exist" for command in missing_commands(text))


if __name__ == "__main__":
    found = list(complaints(ROOT))
    print("\n".join(found) if found else f"docs: {len(list(documents(ROOT)))} documents, nothing wrong")
    sys.exit(1 if found else 0)
