#!/usr/bin/env python3
"""Fails where a file is too long, or a struct has too many fields. Tests count not."""

import re
import sys
from pathlib import Path

# Lines of a file: past it, it usually has two subjects.
LINES_MAX = 450
# Fields of a struct: past it, it usually has parts with names of their own.
FIELDS_MAX = 19

SOURCES = ["protocol/src", "daemon/input/src", "store/src", "daemon/engine/src", "daemon/src", "ctl/src", "testnet/src"]

# What is larger all the same, and why.
KNOWN = {
    "protocol/src/control/status.rs: Status": "a field for each key of the answer, whose shape clients know",
    "protocol/src/control/message.rs: Message": "a field for each key of the answer, whose shape clients know",
    "daemon/src/config/settings.rs: Settings": "a field for each key of the configuration; serde can't flatten and refuse unknown keys",
}

STRUCT = re.compile(r"^( *)(?:pub(?:\([^)]*\))? )?struct (\w+)[^;{]*\{\n(.*?)^\1\}", re.M | re.S)


def main() -> int:
    found = {}
    for file in sorted(file for source in SOURCES for file in Path(source).rglob("*.rs")):
        if file.name == "tests.rs" or "tests" in file.parts:
            continue
        text = re.split(r"^#\[cfg\(test\)\]\nmod \w+ \{", file.read_text(), flags=re.M)[0]
        lines = text.count("\n")
        if lines > LINES_MAX:
            found[str(file)] = f"{lines} lines, at most {LINES_MAX}"
        for indent, name, body in STRUCT.findall(text):
            fields = len(re.findall(rf"^{indent}    (?:pub(?:\([^)]*\))? )?\w+: ", body, re.M))
            if fields > FIELDS_MAX:
                found[f"{file}: {name}"] = f"{fields} fields, at most {FIELDS_MAX}"
    bad = {what: why for what, why in found.items() if what not in KNOWN}
    for what, why in bad.items():
        print(f"{what}: {why}")
    gone = KNOWN.keys() - found.keys()
    for what in gone:
        print(f"{what} is not too large any more: mend the list in {sys.argv[0]}")
    print(f"{len(bad)} too large")
    return 1 if bad or gone else 0


if __name__ == "__main__":
    sys.exit(main())
