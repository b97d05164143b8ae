#!/usr/bin/env bash
# py-libp2p's gossipsub passes on the first anonymous message, and none after it.
#
# Versions: libp2p 0.8.1 (PyPI) between two peers of libp2p 3.3.11 with @libp2p/gossipsub 17.1.1 (npm), Node.js 22.23.3.
# Seen: of five different messages without author and number (the `StrictNoSign` policy of gossipsub's specification), sent
# two seconds apart, py-libp2p with `strict_signing=False` hands all five to its own subscriber, and the peer behind it gets
# one. The log has "Equivocation detected from peer" with an empty name for the others: a message with the author and the
# number of an earlier one and other bytes counts as a contradiction, and where both fields are absent all messages have the
# same ones. `spam_protection_enabled=False` changes nothing.
# Why it matters: py-libp2p's subscriber hears everything, so a network in which it stands looks healthy from there; whoever
# is connected through it alone misses all but one message. Who tests the two together needs a third peer to notice.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check 'libp2p==0.8.1' 'trio==0.35.0'
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund 'libp2p@3.3.11' '@libp2p/gossipsub@17.1.1' '@libp2p/identify@4.1.14' \
    '@libp2p/tcp@11.0.28' '@chainsafe/libp2p-noise@17.0.0' '@chainsafe/libp2p-yamux@8.0.1' \
    '@multiformats/multiaddr@13.0.3' 'node@22.23.3'
cat >middle.py <<'PY'
import sys

import multiaddr
import trio
from libp2p import new_host
from libp2p.custom_types import TProtocol
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service


async def main():
    host = new_host()
    router = GossipSub(
        protocols=[TProtocol("/meshsub/1.1.0")], degree=3, degree_low=2, degree_high=4,
        heartbeat_interval=1, spam_protection_enabled=False,
    )
    pubsub = Pubsub(host, router, strict_signing=False, msg_id_constructor=lambda message: message.data)
    async with host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        async with background_trio_service(pubsub), background_trio_service(router):
            await pubsub.wait_until_ready()
            subscription = await pubsub.subscribe("weather")
            for address in sys.argv[1:]:
                await host.connect(info_from_p2p_addr(multiaddr.Multiaddr(address)))
            for _ in range(5):
                message = await subscription.get()
                print("middle", message.data.decode(), flush=True)
            await trio.sleep(5)


trio.run(main)
PY
cat >ends.mjs <<'JS'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { noise } from '@chainsafe/libp2p-noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@chainsafe/libp2p-yamux'
import { createLibp2p } from 'libp2p'

const start = async () => {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()],
    services: {
      identify: identify(),
      pubsub: gossipsub({ globalSignaturePolicy: 'StrictNoSign', msgIdFn: (message) => message.data }),
    },
  })
  node.services.pubsub.subscribe('weather')
  return node
}
const [left, right] = [await start(), await start()]
const heard = { middle: [], right: [] }
right.services.pubsub.addEventListener('message', ({ detail }) => {
  heard.right.push(new TextDecoder().decode(detail.data))
})
const addresses = [left, right].map((node) => String(node.getMultiaddrs()[0]))
const middle = spawn('python/bin/python', ['middle.py', ...addresses], { stdio: ['ignore', 'pipe', 'inherit'] })
createInterface({ input: middle.stdout }).on('line', (line) => heard.middle.push(line.split(' ')[1]))

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const isMesh = (node) => node.services.pubsub.getMeshPeers('weather').length > 0
while (!isMesh(left) || !isMesh(right)) await wait(100)
for (const text of ['sun', 'rain', 'fog', 'snow', 'wind']) {
  await left.services.pubsub.publish('weather', new TextEncoder().encode(text))
  await wait(2000)
}
await new Promise((resolve) => middle.on('exit', resolve))
console.log(JSON.stringify(heard))
process.exit(0)
JS
timeout 120 node_modules/.bin/node ends.mjs | tee seen
expected='{"middle":["sun","rain","fog","snow","wind"],"right":["sun"]}'
if [ "$(cat seen)" != "$expected" ]; then
    echo "changed: expected $expected"
    exit 1
fi
