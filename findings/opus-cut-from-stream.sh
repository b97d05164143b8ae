#!/usr/bin/env bash
# A second of Opus that was cut from a stream after an hour lasts an hour, by libraries in Python, JavaScript and Rust.
#
# Version: mutagen 1.48.1, PyAV 18.1.0 with its FFmpeg (Python), music-metadata 11.16.1 (JavaScript), lofty 0.25.5 (Rust).
# Seen: two Ogg Opus files hold the same second of silence. One counts its samples from zero, the other from 172,800,000, an hour.
# Section 4.5 of RFC 7845 allows that, for what is recorded out of a running stream. All four libraries give the last page's position as
# the duration, 3,601 seconds, though FFmpeg decodes 47,688 samples from either file.
# Why it matters: a voice memo cut out of a stream is shown with an absurd length, and a limit on the length refuses it. Subtract the
# first audio page's position, less the samples of the packets that end on it.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check mutagen==1.48.1 av==18.1.0
npm install --silent --no-fund --no-audit music-metadata@11.16.1
cat >write.py <<'PY'
import struct

SILENCE = b"\xf8\xff\xfe"  # 20 ms, 960 samples of 1/48,000 s


def crc(data):
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register >> 31 else 0)) & 0xFFFFFFFF
    return register


def page(flags, position, number, packets):
    sizes = bytes(len(packet) for packet in packets)
    head = b"OggS\0" + struct.pack("<BqIIIB", flags, position, 1, number, 0, len(sizes)) + sizes
    whole = head + b"".join(packets)
    return whole[:22] + struct.pack("<I", crc(whole)) + whole[26:]


def memo(first):
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I4sI", 4, b"none", 0)
    pages = [page(2, 0, 0, [head]), page(0, 0, 1, [tags])]
    pages += [page(0, first + 24_000, 2, [SILENCE] * 25), page(4, first + 48_000, 3, [SILENCE] * 25)]
    return b"".join(pages)


open("zero.opus", "wb").write(memo(0))
open("hour.opus", "wb").write(memo(3_600 * 48_000))
PY
venv/bin/python write.py
cat >durations.py <<'PY'
import av
from mutagen.oggopus import OggOpus

for name in ["zero.opus", "hour.opus"]:
    print(f"{name} mutagen {OggOpus(name).info.length:.0f} s")
    with av.open(name) as opened:
        samples = sum(frame.samples for frame in opened.decode(audio=0))
        print(f"{name} FFmpeg {opened.duration // av.time_base} s, {samples} samples decoded")
PY
cat >durations.mjs <<'JS'
import { parseFile } from "music-metadata";

for (const name of ["zero.opus", "hour.opus"]) {
  const { format } = await parseFile(name, { duration: true });
  console.log(`${name} music-metadata ${format.duration.toFixed(0)} s`);
}
JS
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "durations"
version = "0.0.0"
edition = "2024"
[dependencies]
lofty = "=0.25.5"
TOML
cat >src/main.rs <<'RUST'
use lofty::file::AudioFile;

fn main() {
    for name in ["zero.opus", "hour.opus"] {
        let file = lofty::read_from_path(name).expect("a readable file");
        println!("{name} lofty {:.0} s", file.properties().duration().as_secs_f64());
    }
}
RUST
{ venv/bin/python durations.py && node durations.mjs && cargo run --quiet; } | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
zero.opus mutagen 1 s
zero.opus FFmpeg 1 s, 47688 samples decoded
hour.opus mutagen 3601 s
hour.opus FFmpeg 3601 s, 47688 samples decoded
zero.opus music-metadata 1 s
hour.opus music-metadata 3601 s
zero.opus lofty 1 s
hour.opus lofty 3601 s
SEEN
