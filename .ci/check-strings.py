#!/usr/bin/env python3
"""Fails where a message has a row of spaces between two words: its lines were joined, and the indentation of one was kept."""

import re
import sys
from pathlib import Path

# A table or a list of keys has fewer spaces; the indentation within a function has more.
ROW = re.compile(r'"[^"]*[\w,;:.)] {6,}[\w({]')
QUOTE = re.compile(r"'\\?\"'")


def main() -> int:
    wrong, files = [], 0
    for file in sorted(Path().glob("**/src/**/*.rs")):
        if "target" in file.parts or "tests" in file.parts or file.stem == "tests":
            continue
        files += 1
        code = file.read_text().split("#[cfg(test)]")[0]
        for number, line in enumerate(code.splitlines(), 1):
            if not line.lstrip().startswith("//") and ROW.search(QUOTE.sub("", line)):
                wrong.append(f"{file}:{number}: {line.strip()}")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{files} files, {len(wrong)} messages with a row of spaces")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
