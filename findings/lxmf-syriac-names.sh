#!/usr/bin/env bash
# LXMF can't read a display name in its first announce format if the name begins with a Syriac letter.
#
# Version: LXMF 1.2.1 with RNS 1.5.7 (Python).
# Seen: an announce's data was the name in UTF-8, and since 0.5.0 is a list in MessagePack. A reader tells the two apart by the first
# byte: 0x90 to 0x9f and 0xdc are lists. But 0xdc is as well the first byte in UTF-8 of U+0700 to U+073F: most of the Syriac block.
# display_name_from_app_data gives back a Hebrew and an N'Ko name, whose letters have neighbouring bytes, and raises
# InsufficientDataException for a Syriac one. So does stamp_cost_from_app_data.
# Why it matters: programs read the name in their handler of announces. Old clients, and own programs that announce a plain name, are
# read by all others but fail for such names. Catch the error there, and take the bytes as UTF-8 then. Announce the list.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check lxmf==1.2.1 rns==1.5.7
cat >names.py <<'PY'
import LXMF


def read(function, data):
    try:
        return function(data)
    except Exception as error:
        return type(error).__name__


for language, name in [("Hebrew", "אברהם"), ("Syriac", "ܐܒܪܗܡ"), ("N'Ko", "ߊߋ")]:
    first, second = name.encode(), LXMF.LXMF.msgpack.packb([name.encode(), None])
    cost = read(LXMF.stamp_cost_from_app_data, first)
    names = [read(LXMF.display_name_from_app_data, data) for data in (first, second)]
    told = ["the name" if found == name else found for found in names]
    print(f"{language} {first[:1].hex()}: first format: {told[0]}, cost {cost}; list: {told[1]}")
PY
venv/bin/python names.py | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
Hebrew d7: first format: the name, cost None; list: the name
Syriac dc: first format: InsufficientDataException, cost InsufficientDataException; list: the name
N'Ko df: first format: the name, cost None; list: the name
SEEN
