#!/usr/bin/env bash
# Python's age refuses one in five of the files that rage writes, at random, and writes empty ones that nobody else reads.
#
# Versions: age 0.5.1 (Python), pyrage 1.4.0 (PyPI; Rust's rage), age-encryption 0.3.1 (JavaScript).
# Seen: rage adds a recipient of a random type and length to each file, for readers to skip. Of 1,000 files for one key Python's age
# refuses about 200, "Signature did not match digest.": just those in which that recipient has no argument after its type, or a body
# that fills its last line of 64 characters. Of files from JavaScript with one more recipient it refuses the same, and rage and
# JavaScript read all. What Python writes the two read, except where the content is empty.
# Python's age computes the MAC over a header that it writes anew: with a space where no argument follows, and without the empty line
# that ends a body of full lines. And it writes no chunk for an empty content, where the format has one of 16 bytes.
# Why it matters: who tests with one file, or encrypts again after the error, sees all well. A backup that is refused is so each
# time, and looks like one that was changed. Nothing in it is wrong: decrypt it with another program.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check age==0.5.1 pyrage==1.4.0
npm install --silent --no-fund --no-audit age-encryption@0.3.1 >/dev/null
cat >write.mjs <<'JS'
import { writeFileSync } from 'node:fs'
import { Encrypter, Stanza } from 'age-encryption'

const recipients = {
  'no argument': [['example'], 47],
  '47 bytes': [['example', 'argument'], 47],
  '48 bytes': [['example', 'argument'], 48],
  '49 bytes': [['example', 'argument'], 49]
}
for (const [name, [argumentsOfIt, length]] of Object.entries(recipients)) {
  const encrypter = new Encrypter()
  encrypter.addRecipient(process.argv[2])
  // One more recipient, of a type that no reader here knows.
  encrypter.addRecipient({ wrapFileKey: () => [new Stanza(argumentsOfIt, new Uint8Array(length).fill(7))] })
  writeFileSync(name, await encrypter.encrypt('content'))
}
JS
cat >read.mjs <<'JS'
import { readFileSync } from 'node:fs'
import { Decrypter } from 'age-encryption'

const decrypter = new Decrypter()
decrypter.addIdentity(process.argv[2])
for (const name of process.argv.slice(3)) {
  const read = await decrypter.decrypt(readFileSync(name), 'text').then(() => 'reads', () => 'refuses')
  console.log(`JavaScript ${read} the one with ${name}`)
}
JS
cat >python.py <<'PY'
import io
import re
import subprocess

import pyrage
from age.file import Decryptor, Encryptor
from age.keys.agekey import AgePrivateKey

identity = pyrage.x25519.Identity.generate()
key = AgePrivateKey.from_private_string(str(identity))


def python(file):
    try:
        with Decryptor([key], io.BytesIO(file)) as opened:
            opened.read()
        return "reads"
    except Exception as error:
        return f"refuses ({error})"


def rage(file):
    try:
        pyrage.decrypt(file, [identity])
        return "reads"
    except Exception as error:
        return f"refuses ({error})"


counts = {}
for number in range(1_000):
    file = pyrage.encrypt(b"content", [identity.to_public()])
    header = file.split(b"\n---")[0] + b"\n"
    kinds = {
        "no argument": re.search(rb"^-> \S+$", header, re.MULTILINE),
        "a full last line": re.search(rb"^$", header[:-1], re.MULTILINE),
    }
    kind = " or ".join(kinds) if any(kinds.values()) else "neither"
    what = f"Python {python(file)} rage's with {kind}"
    counts[what] = counts.get(what, 0) + 1
print("of 1,000 files:", counts)
with open("seen", "w") as seen:
    print(*sorted(counts), sep="\n", file=seen)
    subprocess.run(["node", "write.mjs", str(identity.to_public())], check=True)
    names = ["no argument", "47 bytes", "48 bytes", "49 bytes"]
    for name in names:
        with open(name, "rb") as opened:
            file = opened.read()
        print(f"Python {python(file)} JavaScript's with {name}", file=seen)
        print(f"rage {rage(file)} JavaScript's with {name}", file=seen)
    for name, content in [("no content", b""), ("content", b"content")]:
        file = io.BytesIO()
        with Encryptor([key.public_key()], file) as encryptor:
            encryptor.write(content)
        with open(name, "wb") as opened:
            opened.write(file.getvalue())
        names.append(name)
        print(f"Python {python(file.getvalue())} Python's with {name}", file=seen)
        print(f"rage {rage(file.getvalue())} Python's with {name}", file=seen)
    seen.flush()
    subprocess.run(["node", "read.mjs", str(identity), *names], check=True, stdout=seen)
PY
venv/bin/python python.py 2>skipped
cat seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
Python reads rage's with neither
Python refuses (Signature did not match digest.) rage's with no argument or a full last line
Python refuses (Signature did not match digest.) JavaScript's with no argument
rage reads JavaScript's with no argument
Python reads JavaScript's with 47 bytes
rage reads JavaScript's with 47 bytes
Python refuses (Signature did not match digest.) JavaScript's with 48 bytes
rage reads JavaScript's with 48 bytes
Python reads JavaScript's with 49 bytes
rage reads JavaScript's with 49 bytes
Python reads Python's with no content
rage refuses (age file is truncated) Python's with no content
Python reads Python's with content
rage reads Python's with content
JavaScript reads the one with no argument
JavaScript reads the one with 47 bytes
JavaScript reads the one with 48 bytes
JavaScript reads the one with 49 bytes
JavaScript refuses the one with no content
JavaScript reads the one with content
SEEN
