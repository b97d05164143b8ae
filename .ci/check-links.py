"""Checks the links of all Markdown files: that files exist and headings are there.

Links to the network are not followed.
"""

import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def anchor(heading: str) -> str:
    """The anchor that forges make of a heading."""
    plain = re.sub(r"[`*\[\]]", "", re.sub(r"\]\([^)]*\)", "", heading)).lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\- ]", "", plain))


def text_of(path: pathlib.Path) -> str:
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def main() -> int:
    root = pathlib.Path(__file__).resolve().parent.parent
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout.split()
    links = broken = 0
    for name in names:
        source = root / name
        for target in LINK.findall(CODE.sub("", text_of(source))):
            if re.match(r"[a-z]+:", target):
                continue
            links += 1
            file, _, wanted = target.partition("#")
            destination = (source.parent / file).resolve() if file else source
            if not destination.exists():
                problem = "no such file"
            elif wanted and wanted not in map(anchor, HEADING.findall(text_of(destination))):
                problem = "no such heading"
            else:
                continue
            broken += 1
            print(f"{name}: {target}: {problem}")
    print(f"{links} links in {len(names)} files, {broken} broken")
    return 1 if broken else 0


sys.exit(main())
