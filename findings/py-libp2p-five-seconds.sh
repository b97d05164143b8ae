#!/usr/bin/env bash
# py-libp2p gives a transfer up if its reader pauses for five seconds, with the error for a stream that the other peer has reset.
#
# Versions: libp2p 0.8.1 (PyPI); libp2p 3.3.11 with @chainsafe/libp2p-yamux 8.0.1 (npm), Node.js 22.23.3.
# Seen: a peer in JavaScript takes a stream for 16 MiB, and reads it only after a pause. The sender in Python gets all of it away if
# the pause is of two seconds. If it is of eight, `write` raises `StreamReset` after five, though the reader has reset nothing: the
# cause says "Timed out waiting for window update after 5 seconds." No option changes the five seconds. A sender in JavaScript waits
# for the same reader, and all 16 MiB arrive.
# Why it matters: a reader that doesn't read is how Yamux says "slower". A recipient who is asked first whether to take a file, or
# whose disk is slow, loses each transfer from Python, and nothing in it says that the fault is the pause. Let the recipient
# answer before the sender writes.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check 'libp2p==0.8.1' 'trio==0.35.0'
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund 'libp2p@3.3.11' '@libp2p/identify@4.1.14' '@libp2p/tcp@11.0.28' \
    '@chainsafe/libp2p-noise@17.0.0' '@chainsafe/libp2p-yamux@8.0.1' 'node@22.23.3'
cat >send.py <<'PY'
import sys

import multiaddr
import trio
from libp2p import new_host
from libp2p.custom_types import TProtocol
from libp2p.peer.peerinfo import info_from_p2p_addr


async def main():
    host = new_host()
    async with host.run(listen_addrs=[]):
        peer = info_from_p2p_addr(multiaddr.Multiaddr(sys.argv[1]))
        await host.connect(peer)
        stream = await host.new_stream(peer.peer_id, [TProtocol("/file/1")])
        start = trio.current_time()
        try:
            for _ in range(256):
                await stream.write(bytes(65_536))
            await stream.close()
            print("sent", flush=True)
        except Exception as error:
            after = trio.current_time() - start
            print(f"{type(error).__name__} after {after:.0f} s: {error.__cause__}", flush=True)
        await trio.sleep(5)


trio.run(main)
PY
cat >read.mjs <<'JS'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { identify } from '@libp2p/identify'
import { noise } from '@chainsafe/libp2p-noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@chainsafe/libp2p-yamux'
import { createLibp2p } from 'libp2p'

const start = () => createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()], services: { identify: identify() },
})
const [reader, sender] = [await start(), await start()]
const address = reader.getMultiaddrs()[0]
const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

// Resolves with what became of the reader's side of the next stream.
const read = (pause) => new Promise((resolve) => {
  reader.handle('/file/1', async (stream) => {
    stream.pause()
    await wait(pause)
    stream.resume()
    let size = 0
    for await (const part of stream) size += part.byteLength
    resolve(`all ${size} bytes read`)
  }, { force: true })
})
const fromJavaScript = async () => {
  const stream = await sender.dialProtocol(address, '/file/1')
  for (let sent = 0; sent < 256; sent++) {
    if (!stream.send(new Uint8Array(65_536))) await stream.onDrain()
  }
  await stream.close()
  return 'sent'
}
const fromPython = () => new Promise((resolve) => {
  const python = spawn('python/bin/python', ['send.py', String(address)], { stdio: ['ignore', 'pipe', 'ignore'] })
  createInterface({ input: python.stdout }).on('line', resolve)
})

for (const pause of [2, 8]) {
  for (const [name, send] of [['JavaScript', fromJavaScript], ['Python', fromPython]]) {
    const arrived = read(pause)
    const said = await send()
    console.log(`pause of ${pause} s, ${name}: ${said}${said === 'sent' ? `, ${await arrived}` : ''}`)
  }
}
process.exit(0)
JS
timeout 180 node_modules/.bin/node read.mjs | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
pause of 2 s, JavaScript: sent, all 16777216 bytes read
pause of 2 s, Python: sent, all 16777216 bytes read
pause of 8 s, JavaScript: sent, all 16777216 bytes read
pause of 8 s, Python: StreamReset after 5 s: Timed out waiting for window update after 5 seconds.
SEEN
