#!/usr/bin/env bash
# werift loses a message of a reliable data channel where it should give up one of an unreliable channel beside it.
#
# Versions: werift 0.24.4 (JavaScript), aiortc 1.16.0 (Python).
# Seen: two WebRTC peers have two data channels on one connection. One is reliable; the other one repeats a message once at most
# (`maxRetransmits: 1`). The listener, aiortc, is made to lose all data for two and a half seconds, in which each channel sends one
# message. If aiortc sends, the reliable message comes after the gap, and the other one doesn't. If werift sends, the reliable message
# never comes. The next one on its channel does, and there is no error. werift gives up the oldest message that was not acknowledged,
# of whichever channel it is. With `maxRetransmits: 0` aiortc sends a message once, and werift repeats it until it has come.
# Why it matters: voice, typing and positions go unreliably beside messages and files, on one connection. A bad moment of the network
# then takes a piece out of a file, and no test on a good network shows it. Use two connections, or number the messages.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aiortc==1.16.0
npm install --silent --no-fund --no-audit werift@0.24.4
cat >listen.py <<'PY'
import asyncio
import json
import sys

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription


async def main():
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    heard, is_losing = {}, False

    def lose(losing):
        nonlocal is_losing
        is_losing = losing

    @peer.on("datachannel")
    def opened(channel):
        heard[channel.label] = []

        @channel.on("message")
        def message(text):
            heard[channel.label].append(text)
            if text == "begin":
                lose(True)
                asyncio.get_running_loop().call_later(2.5, lose, False)

    await peer.setRemoteDescription(RTCSessionDescription(**json.loads(sys.stdin.readline())))
    handle = peer.sctp._handle_data

    async def receive(data):
        if not is_losing:
            await handle(data)

    peer.sctp._handle_data = receive
    await peer.setLocalDescription(await peer.createAnswer())
    print(json.dumps({"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}), flush=True)
    # Until the sender has ended.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for label in ["reliable", "unreliable"]:
        print(f"  {label}: {', '.join(heard[label])}", file=sys.stderr)
    await peer.close()


asyncio.run(main())
PY
cat >send.py <<'PY'
import asyncio
import json
import subprocess
import sys

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription


async def main():
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    reliable = peer.createDataChannel("reliable")
    unreliable = peer.createDataChannel("unreliable", maxRetransmits=int(sys.argv[1]))
    await peer.setLocalDescription(await peer.createOffer())
    listener = subprocess.Popen([sys.executable, "listen.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    offer = {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}
    print(json.dumps(offer), file=listener.stdin, flush=True)
    await peer.setRemoteDescription(RTCSessionDescription(**json.loads(listener.stdout.readline())))
    while "connecting" in (reliable.readyState, unreliable.readyState):
        await asyncio.sleep(0.1)
    reliable.send("begin")
    await asyncio.sleep(0.5)
    reliable.send("in the gap")
    unreliable.send("in the gap")
    await asyncio.sleep(12)
    reliable.send("end")
    unreliable.send("end")
    await asyncio.sleep(3)
    listener.stdin.close()
    while listener.poll() is None:
        await asyncio.sleep(0.1)
    await peer.close()


asyncio.run(main())
PY
cat >send.mjs <<'JS'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { RTCPeerConnection } from 'werift'

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))
const peer = new RTCPeerConnection({ iceServers: [] })
const reliable = peer.createDataChannel('reliable')
const unreliable = peer.createDataChannel('unreliable', { maxRetransmits: Number(process.argv[2]) })
await peer.setLocalDescription(await peer.createOffer())
const listener = spawn('venv/bin/python', ['listen.py'], { stdio: ['pipe', 'pipe', 'inherit'] })
listener.stdin.write(`${JSON.stringify(peer.localDescription)}\n`)
const answer = await new Promise((resolve) => createInterface({ input: listener.stdout }).once('line', resolve))
await peer.setRemoteDescription(JSON.parse(answer))
while ([reliable, unreliable].some((channel) => channel.readyState === 'connecting')) await wait(0.1)
reliable.send('begin')
await wait(0.5)
reliable.send('in the gap')
unreliable.send('in the gap')
await wait(12)
reliable.send('end')
unreliable.send('end')
await wait(3)
listener.stdin.end()
await new Promise((resolve) => listener.on('exit', resolve))
process.exit(0)
JS
for count in 1 0; do
    echo "aiortc, maxRetransmits $count"
    timeout 60 venv/bin/python send.py $count 2>&1
    echo "werift, maxRetransmits $count"
    timeout 60 node send.mjs $count 2>&1
done | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
aiortc, maxRetransmits 1
  reliable: begin, in the gap, end
  unreliable: end
werift, maxRetransmits 1
  reliable: begin, end
  unreliable: end
aiortc, maxRetransmits 0
  reliable: begin, in the gap, end
  unreliable: end
werift, maxRetransmits 0
  reliable: begin, in the gap, end
  unreliable: in the gap, end
SEEN
