#!/usr/bin/env bash
# Gossipsub's default name for a signed message is another one in Rust, in JavaScript and in Python.
#
# Version: libp2p-gossipsub 0.50.1 (Rust), @libp2p/gossipsub 17.1.1 (JavaScript), libp2p 0.8.1 (Python).
# Seen: for one author and one sequence number, each left at its defaults, Python takes the bytes of the peer id and the eight bytes
# of the number. JavaScript takes the author's public key, which is the peer id without its first two bytes, and the eight bytes.
# Rust takes text: the peer id in base58, and the number in decimal.
# Why it matters: the name is no part of a message, each node computes it, and IHAVE, IWANT and IDONTWANT tell it to others. Messages
# still arrive through the mesh, so a mixed network seems to work. But a peer that is told names by another kind knows none of them:
# it asks for what it has already, and IDONTWANT stops nothing. Set the same function in each node.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check libp2p==0.8.1
npm install --silent --no-audit --no-fund @libp2p/gossipsub@17.1.1 @libp2p/peer-id@6.0.15 >/dev/null
cat >javascript.mjs <<'JS'
import { msgIdFnStrictSign } from './node_modules/@libp2p/gossipsub/dist/src/utils/msgIdFn.js'
import { peerIdFromString } from '@libp2p/peer-id'

const [peer, sequence] = process.argv.slice(2)
const message = { type: 'signed', from: peerIdFromString(peer), sequenceNumber: BigInt(sequence) }
console.log(Buffer.from(msgIdFnStrictSign(message)).toString('hex'))
JS
cat >python.py <<'PY'
import inspect
import sys

from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub

default = inspect.signature(Pubsub).parameters["msg_id_constructor"].default
peer, sequence = sys.argv[1:]
message = rpc_pb2.Message(from_id=ID.from_string(peer).to_bytes(), seqno=int(sequence).to_bytes(8, "big"))
print(default(message).hex())
PY
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"
[dependencies]
libp2p-gossipsub = "=0.50.1"
libp2p-identity = "0.2"
TOML
cat >src/main.rs <<'RUST'
use libp2p_gossipsub::{ConfigBuilder, Message, TopicHash};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let message = Message {
        source: Some(args[0].parse().expect("a peer id")),
        data: Vec::new(),
        sequence_number: Some(args[1].parse().expect("a number")),
        topic: TopicHash::from_raw("any"),
    };
    println!("{}", ConfigBuilder::default().build().expect("the defaults").message_id(&message));
}
RUST
cargo build --quiet
peer=12D3KooWRBhwfeP2Y4TCx1SM6s9rUoHhR5STiGwxBhgFRcw3UERE
{
    echo "Python     $(venv/bin/python python.py $peer 258)"
    echo "JavaScript $(node javascript.mjs $peer 258)"
    echo "Rust       $(target/debug/finding $peer 258)"
} | tee seen
diff seen - <<SEEN || { echo "this has changed: the lines above with > were seen before"; exit 1; }
Python     002408011220e456dc2a0a4c653a3a02b581e56ca117a9dd1667167dc31468314ff6a8eff7290000000000000102
JavaScript 08011220e456dc2a0a4c653a3a02b581e56ca117a9dd1667167dc31468314ff6a8eff7290000000000000102
Rust       $(printf %s "${peer}258" | od -An -tx1 | tr -d ' \n')
SEEN
