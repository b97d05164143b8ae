#!/usr/bin/env python3
"""Fails where top-level modules of a crate import each other in a circle."""

import re
import sys
from pathlib import Path

CRATES = ["protocol", "daemon/input", "store", "daemon/engine", "daemon", "ctl", "testnet"]


def module(source: Path, file: Path) -> str:
    """The top-level module that a file is of."""
    return file.relative_to(source).parts[0].removesuffix(".rs")


def first_names(group: str) -> set[str]:
    """The first name of each path in the braces of a `use crate::{…}`."""
    names, depth, path = set(), 0, ""
    for character in group + ",":
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            names.update(re.findall(r"^\s*(\w+)", path))
            path = ""
        else:
            path += character
    return names


def imports(source: Path) -> dict[str, dict[str, Path]]:
    """Which top-level module imports which, with a file that does."""
    files = sorted(source.rglob("*.rs"))
    modules = {module(source, file) for file in files} - {"lib", "main", "bin"}
    found: dict[str, dict[str, Path]] = {name: {} for name in modules}
    for file in files:
        importer = module(source, file)
        if importer not in modules:
            continue
        text = re.sub(r"//.*", "", file.read_text())
        names = set(re.findall(r"\bcrate::(\w+)", text))
        for group in re.findall(r"\bcrate::\{([^;]*)\}\s*;", text):
            names |= first_names(group)
        for imported in (names & modules) - {importer}:
            found[importer].setdefault(imported, file)
    return found


def reached(found: dict[str, dict[str, Path]], start: str) -> set[str]:
    """All that `start` imports, and what these import."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = set(found[waiting.pop()]) - seen
        seen |= fresh
        waiting.extend(fresh)
    return seen


def circles(found: dict[str, dict[str, Path]]) -> list[set[str]]:
    """The largest sets of modules each of which reaches all the others."""
    reach = {name: reached(found, name) for name in found}
    sets = {frozenset(b for b in reach[a] if a in reach[b]) for a in found}
    return sorted((set(one) for one in sets if one), key=sorted)


def main() -> int:
    bad = 0
    for crate in CRATES:
        found = imports(Path(crate) / "src")
        for circle in circles(found):
            bad += 1
            print(f"{crate}: {', '.join(sorted(circle))} import each other in a circle:")
            for a in sorted(circle):
                for b in sorted(set(found[a]) & circle):
                    print(f"    {found[a][b]} imports {b}")
    print(f"{len(CRATES)} crates, {bad} circles")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
