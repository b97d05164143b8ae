#!/usr/bin/env bash
# Rust's NIP-44 refuses to write the longest 127 lengths of the first specification, which it reads; JavaScript writes longer ones.
#
# Versions: nostr-sdk 0.45.1 (PyPI; Rust's nostr), nostr-tools 2.25.2 (npm).
# Seen: nostr-tools writes messages of 65,535 bytes, and longer ones by lengths of four bytes, which were added to NIP-44 later.
# nostr-sdk writes up to 65,408 bytes, reads 65,409 to 65,535 of nostr-tools', and refuses longer ones. For what it does not
# write and for what it does not read it gives one error, "message too long".
# Why it matters: nothing in a message or a key says which lengths its reader knows, and 65,535 was the specification's
# maximum at first. Who checks a draft against that number fails at sending; who answers with the text quoted can receive what cannot be
# sent back. Keep below 65,408 bytes what others are to read.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund 'nostr-tools@2.25.2'
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'nostr-sdk==0.45.1'
cat >write.mjs <<'JS'
import { getPublicKey, nip44 } from 'nostr-tools'

const [own, other] = [1, 2].map(byte => new Uint8Array(32).fill(byte))
const key = nip44.getConversationKey(own, getPublicKey(other))
for (const length of [65408, 65409, 65535, 65536, 100000]) {
  const sealed = nip44.encrypt('a'.repeat(length), key)
  if (nip44.decrypt(sealed, key).length !== length) throw new Error('not read back')
  console.log(length, sealed)
}
JS
node write.mjs >sealed
cat >read.py <<'PYTHON'
from nostr_sdk import Keys, Nip44Version, NostrSdkError, SecretKey, nip44_decrypt, nip44_encrypt

own, other = (SecretKey.parse(byte * 32) for byte in ("01", "02"))
own_public, other_public = (Keys(secret).public_key() for secret in (own, other))


def tried(deed):
    try:
        return f"{deed()}"
    except NostrSdkError as error:
        return f"refused ({error})"


for line in open("sealed"):
    length, sealed = line.split()
    text = "a" * int(length)
    written = tried(lambda: nip44_encrypt(own, other_public, text, Nip44Version.V2) and "written")
    read = tried(lambda: nip44_decrypt(other, own_public, sealed) == text and "read")
    print(f"{length} bytes: {written} by Rust; JavaScript's is {read}")
PYTHON
venv/bin/python read.py | tee seen
expected="65408 bytes: written by Rust; JavaScript's is read
65409 bytes: refused by Rust; JavaScript's is read
65535 bytes: refused by Rust; JavaScript's is read
65536 bytes: refused by Rust; JavaScript's is refused
100000 bytes: refused by Rust; JavaScript's is refused"
if [ "$(sed "s/ ('message too long')//g" seen)" != "$expected" ]; then
    echo "changed: expected $expected"
    exit 1
fi
