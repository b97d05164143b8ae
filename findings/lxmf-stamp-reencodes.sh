#!/usr/bin/env bash
# LXMF's message id is over the bytes as received, except where the message has a stamp: then over a re-encoding.
#
# Versions: lxmf 1.2.1, rns 1.5.7 (PyPI).
# Seen: LXMF's payload is MessagePack. `LXMessage.unpack_from_bytes` hashes a payload of four fields as it came. Of one
# with a fifth, the stamp, it decodes all, drops the stamp, encodes the four again with its own MessagePack library, and
# hashes that. A sender whose encoder writes byte strings with a length of two bytes (valid MessagePack) therefore has one
# message id without a stamp and another one with it. The id is also what is signed.
# Why it matters: who writes an LXMF client in another language must encode as Python's umsgpack does, and notices only
# when someone asks for stamps. Sign and name bytes as received.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'lxmf==1.2.1' 'rns==1.5.7'
cat >"$dir/id.py" <<'PYTHON'
import hashlib
import struct

import RNS
from LXMF import LXMessage

RNS.loglevel = RNS.LOG_CRITICAL
addresses, signature = bytes(range(32)), bytes(64)


def byte_string(data, is_wide):
    return (b"\xc5" + struct.pack(">H", len(data)) if is_wide else b"\xc4" + bytes([len(data)])) + data


for is_wide in (False, True):
    time = b"\xcb" + struct.pack(">d", 1793500000.0)
    fields = time + byte_string(b"", is_wide) + byte_string(b"hello", is_wide) + b"\x80"
    sent = hashlib.sha256(addresses + b"\x94" + fields).digest()
    for name, payload in (
        ("no stamp", b"\x94" + fields),
        ("a stamp", b"\x95" + fields + byte_string(bytes(32), False)),
    ):
        message = LXMessage.unpack_from_bytes(addresses + signature + payload)
        assert message.content == b"hello"
        whose = "the sender's" if message.hash == sent else "another"
        print(f"bin {16 if is_wide else 8}, {name}: {whose} id")
PYTHON
"$dir/venv/bin/python" "$dir/id.py" >"$dir/seen.txt"
cat "$dir/seen.txt"
diff - "$dir/seen.txt" <<'SEEN'
bin 8, no stamp: the sender's id
bin 8, a stamp: the sender's id
bin 16, no stamp: the sender's id
bin 16, a stamp: another id
SEEN
