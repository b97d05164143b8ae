#!/usr/bin/env bash
# Python's Reticulum ignores most of what a Rust node announces again, since that has random numbers where the time should be.
#
# Version: reticulum 0.1.0 (Rust, by Beechat), RNS 1.5.7 (Python).
# Seen: a Rust node announces one destination twelve times to a Python node. The ten random bytes of an announce are, for RNS, five
# random bytes and then the time in seconds, and RNS takes an announce for a known destination only if its time is later. The Rust
# library fills all ten at random. So RNS hears the first, and then those alone whose number is larger than each before: of twelve
# announces about three. It hears each of six that a Python node announces.
# Why it matters: the first announce arrives, so all seems well. Later ones, with a new route or new data, get rarer and
# rarer, down to none. Put the time there, as RNS does.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check rns==1.5.7 grpcio-tools==1.85.1
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
rand_core = { version = "=0.6.4", features = ["getrandom"] }
tokio = { version = "=1.54.1", features = ["macros", "rt-multi-thread", "time"] }
TOML
cat >src/main.rs <<'RUST'
use std::time::Duration;

use rand_core::OsRng;
use reticulum::destination::{DestinationName, SingleInputDestination};
use reticulum::identity::PrivateIdentity;
use reticulum::iface::udp::UdpInterface;
use reticulum::transport::{Transport, TransportConfig};

/// Where an announce has its time, by RNS: after two keys, the hash of a name and five random bytes.
const TIME: std::ops::Range<usize> = 79..84;

#[tokio::main]
async fn main() {
    let to = format!("127.0.0.1:{}", std::env::args().nth(1).expect("a port"));
    let identity = PrivateIdentity::new_from_rand(OsRng);
    let transport = Transport::new(TransportConfig::new("announcer", &identity, false));
    let udp = UdpInterface::new("127.0.0.1:0", Some(&to));
    transport.iface_manager().lock().await.spawn(udp, UdpInterface::spawn);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let destination = SingleInputDestination::new(identity, DestinationName::new("example", "times"));
    for number in 1..=12_u8 {
        let packet = destination.announce(OsRng, Some(&[number])).expect("an announce");
        let time = packet.data.as_slice()[TIME].iter().fold(0_u64, |time, byte| time << 8 | u64::from(*byte));
        println!("{time}");
        transport.send_packet(packet).await;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }
}
RUST
cat >node.py <<'PY'
import pathlib
import socket
import sys
import time

import RNS


def start(name, listens, forwards):
    config = pathlib.Path(name)
    config.mkdir()
    (config / "config").write_text(
        "[reticulum]\nenable_transport = no\nshare_instance = no\n[interfaces]\n[[udp]]\ntype = UDPInterface\nenabled = yes\n"
        f"listen_ip = 127.0.0.1\nlisten_port = {listens}\nforward_ip = 127.0.0.1\nforward_port = {forwards}\n"
    )
    RNS.Reticulum(configdir=name, loglevel=RNS.LOG_ERROR)


if __name__ == "__main__":
    # What the Rust program does, but for the number of announces.
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind(("127.0.0.1", 0))
    port = own.getsockname()[1]
    own.close()
    start("announcer", port, sys.argv[1])
    destination = RNS.Destination(RNS.Identity(), RNS.Destination.IN, RNS.Destination.SINGLE, "example", "times")
    for number in range(1, 7):
        packet = destination.announce(app_data=bytes([number]), send=False)
        print(int.from_bytes(packet.data[79:84], "big"), flush=True)
        packet.send()
        time.sleep(1.2)
PY
cat >hear.py <<'PY'
import socket
import subprocess
import sys
import time

import RNS
from node import start


class Heard:
    aspect_filter = None

    def __init__(self):
        self.numbers = []

    def received_announce(self, destination_hash, announced_identity, app_data):
        self.numbers.append(app_data[0])


own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("127.0.0.1", 0))
port = own.getsockname()[1]
own.close()
start("hearer", port, 9)
heard = Heard()
RNS.Transport.register_announce_handler(heard)
for language, command in [("Python", [sys.executable, "node.py"]), ("Rust", [sys.argv[1]])]:
    heard.numbers.clear()
    out = subprocess.run([*command, str(port)], check=True, capture_output=True, text=True).stdout
    time.sleep(1)
    times = [int(line) for line in out.split()]
    later = [number for number, time in enumerate(times, 1) if time > max(times[: number - 1], default=-1)]
    print(f"{language}: heard {heard.numbers} of {len(times)}, later than all before: {later}")
    assert sorted(heard.numbers) == later, "this has changed"
    now = [abs(at - time.time()) < 60 for at in times]
    assert all(now) if language == "Python" else not any(now), "this has changed"
PY
PROTOC=$dir/protoc cargo build --quiet
venv/bin/python hear.py "${CARGO_TARGET_DIR:-target}/debug/announces"
