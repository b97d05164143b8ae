#!/usr/bin/env bash
# Rust's qrcode takes the UTF-8 of some words for Kanji, which ZXing and jsQR then read as other words, and rqrr as the right ones.
#
# Versions: qrcode 0.14.1 and rqrr 0.11.0 (Rust), zxing-cpp 3.1.1 (Python), jsqr 1.4.0 (JavaScript).
# Seen: `QrCode::new` gets four texts in UTF-8: hello in Japanese, thanks in Chinese, 明日 (tomorrow) and 服务 (service). All three
# readers read the first two as they are. The two others are right by rqrr alone: zxing-cpp and jsqr read 譏取律 and 譛榊苅, without an
# error. With `push_byte_data` all four are right.
# qrcode looks for the shortest code. It takes two bytes for a Kanji where they could be one in Shift-JIS, and many bytes of UTF-8
# could. Where enough of them are in a row, it writes them in the mode for Kanji. By the standard that mode holds characters, and not
# bytes. rqrr gives their bytes in Shift-JIS all the same, and these are the UTF-8 that went in.
# Why it matters: a test with a few words passes, and so does one that reads with Rust. Then some people's names
# are wrong on other devices.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check zxing-cpp==3.1.1 numpy==2.4.6
npm install --silent --no-fund --no-audit jsqr@1.4.0
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "codes"
version = "0.0.0"
edition = "2024"
[dependencies]
qrcode = { version = "=0.14.1", default-features = false }
rqrr = { version = "=0.11.0", default-features = false }
TOML
cat >src/main.rs <<'RUST'
use qrcode::bits::Bits;
use qrcode::{Color, EcLevel, QrCode, Version};

fn main() {
    for text in ["こんにちは", "谢谢", "明日", "服务"] {
        let mut bits = Bits::new(Version::Normal(2));
        bits.push_byte_data(text.as_bytes()).expect("room");
        bits.push_terminator(EcLevel::M).expect("room");
        let bytes = QrCode::with_bits(bits, EcLevel::M).expect("a code");
        for (how, code) in [("new", QrCode::new(text).expect("a code")), ("push_byte_data", bytes)] {
            let (width, colors) = (code.width(), code.to_colors());
            let dark = |x: usize, y: usize| colors[y * width + x] == Color::Dark;
            // Eight pixels for a module, four modules of margin.
            let within = |at: usize| (at / 8).checked_sub(4).filter(|module| *module < width);
            let mut picture = rqrr::PreparedImage::prepare_from_greyscale((width + 8) * 8, (width + 8) * 8, |x, y| {
                let black = within(x).zip(within(y)).is_some_and(|(x, y)| dark(x, y));
                if black { 0 } else { 255 }
            });
            let (_, read) = picture.detect_grids()[0].decode().expect("readable");
            println!("{how} {text} by rqrr: {read}");
            let rows: Vec<String> =
                (0..width).map(|y| (0..width).map(|x| if dark(x, y) { '1' } else { '0' }).collect()).collect();
            std::fs::write(format!("{how} {text}.code"), rows.join("\n")).expect("written");
        }
    }
}
RUST
cat >read.py <<'PY'
import glob

import numpy
import zxingcpp

for name in sorted(glob.glob("*.code")):
    rows = [[0 if module == "1" else 255 for module in row] for row in open(name).read().split("\n")]
    picture = numpy.pad(numpy.array(rows, dtype=numpy.uint8), 4, constant_values=255)
    read = zxingcpp.read_barcode(numpy.kron(picture, numpy.ones((8, 8), dtype=numpy.uint8)))
    print(f"{name[:-5]} by zxing-cpp: {read.text}")
PY
cat >read.cjs <<'JS'
const { readdirSync, readFileSync } = require("node:fs");
const jsqr = require("jsqr");

for (const name of readdirSync(".").filter((name) => name.endsWith(".code"))) {
  const rows = readFileSync(name, "utf8").split("\n");
  const width = (rows.length + 8) * 8;
  const pixels = new Uint8ClampedArray(width * width * 4).fill(255);
  for (let y = 0; y < width; y++) {
    for (let x = 0; x < width; x++) {
      if (rows[Math.floor(y / 8) - 4]?.[Math.floor(x / 8) - 4] === "1") {
        pixels.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
      }
    }
  }
  console.log(`${name.slice(0, -5)} by jsqr: ${jsqr(pixels, width, width).data}`);
}
JS
{ cargo run --quiet && venv/bin/python read.py && node read.cjs; } | LC_ALL=C sort | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
new こんにちは by jsqr: こんにちは
new こんにちは by rqrr: こんにちは
new こんにちは by zxing-cpp: こんにちは
new 明日 by jsqr: 譏取律
new 明日 by rqrr: 明日
new 明日 by zxing-cpp: 譏取律
new 服务 by jsqr: 譛榊苅
new 服务 by rqrr: 服务
new 服务 by zxing-cpp: 譛榊苅
new 谢谢 by jsqr: 谢谢
new 谢谢 by rqrr: 谢谢
new 谢谢 by zxing-cpp: 谢谢
push_byte_data こんにちは by jsqr: こんにちは
push_byte_data こんにちは by rqrr: こんにちは
push_byte_data こんにちは by zxing-cpp: こんにちは
push_byte_data 明日 by jsqr: 明日
push_byte_data 明日 by rqrr: 明日
push_byte_data 明日 by zxing-cpp: 明日
push_byte_data 服务 by jsqr: 服务
push_byte_data 服务 by rqrr: 服务
push_byte_data 服务 by zxing-cpp: 服务
push_byte_data 谢谢 by jsqr: 谢谢
push_byte_data 谢谢 by rqrr: 谢谢
push_byte_data 谢谢 by zxing-cpp: 谢谢
SEEN
