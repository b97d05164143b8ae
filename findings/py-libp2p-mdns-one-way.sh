#!/usr/bin/env bash
# By mDNS, js-libp2p learns one address of a py-libp2p node, and py-libp2p never finds a js-libp2p node.
#
# Version: libp2p 0.8.1 with zeroconf 0.150.5 (Python), @libp2p/mdns 12.0.32 with dns-packet 5.6.1 (JavaScript).
# Seen: py-libp2p puts all addresses into one TXT record, the first as `dnsaddr=`, then `dnsaddr2=`, `dnsaddr3=`. js-libp2p takes
# `dnsaddr=` alone, so it has the first. js-libp2p answers with a pointer and TXT records, as libp2p's specification says, and
# answers no other question. py-libp2p waits until zeroconf has the addresses (A or AAAA) of the service as well, and then reads the
# TXT record alone. They never come: it gives up with "No info returned". On a real link it asked for them 18 times in 22 seconds.
# Between two of a kind all three addresses arrive.
# Why it matters: on a LAN without a bootstrap node the two find each other only if the JavaScript node dials, and only if the Python
# node's first address is one that it can reach. It may be loopback. Let such a Python node listen on the one right address.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check libp2p==0.8.1 zeroconf==0.150.5
npm install --silent --no-audit --no-fund @libp2p/mdns@12.0.32 dns-packet@5.6.1 >/dev/null

cat >python.py <<'PY'
import sys
from unittest.mock import Mock

from libp2p.discovery.mdns.broadcaster import PeerBroadcaster
from libp2p.discovery.mdns.listener import PeerListener
from zeroconf import DNSCache, DNSIncoming, DNSOutgoing, ServiceInfo

TYPE, NAME = "_p2p._udp.local.", "somebody._p2p._udp.local."
if sys.argv[1] == "write":
    teller = PeerBroadcaster(Mock(), TYPE, NAME, sys.argv[2], 4001, sys.argv[3:])
    # The flags of an authoritative answer.
    answer = DNSOutgoing(0x8400)
    told = teller.service_info
    for record in [told.dns_pointer(), told.dns_text(), told.dns_service(), *told.dns_addresses()]:
        answer.add_answer_at_time(record, 0)
    print(answer.packets()[0].hex())
else:
    heard = Mock(cache=DNSCache())
    heard.cache.async_add_records(DNSIncoming(bytes.fromhex(sys.argv[2])).answers())
    info = ServiceInfo(TYPE, NAME)
    # Zeroconf gives a service to the listener once this is true.
    if info.load_from_cache(heard):
        # A listener's method, without a listener: it needs nothing of it.
        _, addresses = PeerListener._parse_from_txt_records(None, info)
        print(*addresses, sep="\n")
PY
cat >javascript.mjs <<'JS'
import { decode, encode } from 'dns-packet'
import { multiaddr } from '@multiformats/multiaddr'
import { gotQuery, gotResponse } from './node_modules/@libp2p/mdns/dist/src/query.js'

const tag = '_p2p._udp.local'
const [what, ...args] = process.argv.slice(2)
if (what === 'write') {
  const [peer, ...addresses] = args
  const whole = addresses.map(address => multiaddr(`${address}/p2p/${peer}`))
  // What multicast-dns sends.
  const respond = answers => console.log(encode({ type: 'response', flags: 0x400, answers }).toString('hex'))
  gotQuery({ questions: [{ name: tag, type: 'PTR' }] }, { respond }, 'somebody', whole, tag, true)
} else {
  for (const address of gotResponse(decode(Buffer.from(args[0], 'hex')), 'another', tag).multiaddrs) {
    console.log(address.toString())
  }
}
JS

peer=12D3KooWRBhwfeP2Y4TCx1SM6s9rUoHhR5STiGwxBhgFRcw3UERE
addresses=(/ip4/127.0.0.1/tcp/4001 /ip4/192.168.1.20/tcp/4001 /ip4/10.0.0.20/tcp/4001)
run() {
    case $1 in
    python) venv/bin/python python.py "${@:2}" ;;
    javascript) node javascript.mjs "${@:2}" ;;
    esac
}
for writer in python javascript; do
    for reader in python javascript; do
        found=$(run $reader read "$(run $writer write $peer "${addresses[@]}")")
        echo "$writer tells ${#addresses[@]} addresses, $reader finds:" $found
    done
done | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
python tells 3 addresses, python finds: /ip4/127.0.0.1/tcp/4001 /ip4/192.168.1.20/tcp/4001 /ip4/10.0.0.20/tcp/4001
python tells 3 addresses, javascript finds: /ip4/127.0.0.1/tcp/4001
javascript tells 3 addresses, python finds:
javascript tells 3 addresses, javascript finds: /ip4/127.0.0.1/tcp/4001 /ip4/192.168.1.20/tcp/4001 /ip4/10.0.0.20/tcp/4001
SEEN
