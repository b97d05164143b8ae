#!/usr/bin/env bash
# Rust's Reticulum refuses the announces of Python's, once a destination has ratchets: so those of every LXMF address.
#
# Version: reticulum 0.1.0 (Rust, by Beechat), RNS 1.5.7 and LXMF 1.2.1 (Python).
# Seen: one identity announces two destinations, the second after enable_ratchets, and an LXMF router announces an address. RNS accepts
# all three packets. The Rust library accepts the first, and calls the signatures of the others incorrect. Those two packets hold 32
# bytes more, a ratchet key before the signature, as a bit of their first byte tells. The Rust library knows no such bit, and reads the
# key as the first half of the signature. LXMF enables ratchets for each address.
# Why it matters: a Rust node never learns of anyone who uses LXMF, and logs nothing, while it hears the destinations of RNS's examples,
# which have no ratchets. Test with an LXMF address.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check rns==1.5.7 lxmf==1.2.1 grpcio-tools==1.85.1
cat >announce.py <<'PY'
import pathlib

import LXMF
import RNS

config = pathlib.Path("reticulum")
config.mkdir()
(config / "config").write_text("[reticulum]\nenable_transport = no\nshare_instance = no\n[interfaces]\n")
RNS.Reticulum(configdir=str(config), loglevel=RNS.LOG_CRITICAL)
identity = RNS.Identity()


def destination(aspect):
    return RNS.Destination(identity, RNS.Destination.IN, RNS.Destination.SINGLE, "example", aspect)


plain, ratcheted = destination("plain"), destination("ratcheted")
ratcheted.enable_ratchets("ratchets")
router = LXMF.LXMRouter(storagepath="lxmf")
lxmf = router.register_delivery_identity(identity, display_name="Ada")
for name, announced in [("plain", plain), ("ratchets", ratcheted), ("lxmf", lxmf)]:
    packet = announced.announce(send=False)
    packet.pack()
    heard = RNS.Packet(None, packet.raw)
    heard.unpack()
    assert RNS.Identity.validate_announce(heard)
    print(name, packet.raw.hex())
RNS.exit()
PY
venv/bin/python announce.py >announces
# The crate's build script wants the compiler of protocol buffers.
printf '#!/bin/sh\nexec "%s/venv/bin/python" -m grpc_tools.protoc "$@"\n' "$dir" >protoc
chmod +x protoc
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "announces"
version = "0.0.0"
edition = "2024"
[dependencies]
reticulum = "=0.1.0"
hex = "=0.4.3"
TOML
cat >src/main.rs <<'RUST'
use reticulum::{buffer::InputBuffer, destination::DestinationAnnounce, packet::Packet};

fn main() {
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        let (name, raw) = line.split_once(' ').expect("two words");
        let raw = hex::decode(raw).expect("hexadecimal digits");
        let packet = Packet::deserialize(&mut InputBuffer::new(&raw)).expect("a packet");
        let heard = DestinationAnnounce::validate(&packet).map(|_| ());
        println!("{name}, {} bytes: {heard:?}", raw.len());
    }
}
RUST
PROTOC=$dir/protoc cargo run --quiet <announces | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
plain, 167 bytes: Ok(())
ratchets, 199 bytes: Err(IncorrectSignature)
lxmf, 208 bytes: Err(IncorrectSignature)
SEEN
