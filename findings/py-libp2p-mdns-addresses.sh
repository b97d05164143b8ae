#!/usr/bin/env bash
# By mDNS, py-libp2p and js-libp2p learn one address of each other, however many there are.
#
# Version: libp2p 0.8.1 with zeroconf 0.150.5 (Python), @libp2p/mdns 12.0.32 with dns-packet 5.6.1 (JavaScript).
# Seen: each node names all of its addresses, and the other kind learns one. py-libp2p puts them into one TXT record, the first as
# `dnsaddr=`, then `dnsaddr2=`, `dnsaddr3=`. js-libp2p takes `dnsaddr=` alone, so it has the first. js-libp2p writes a TXT record for
# each address, all with `dnsaddr=`. python-zeroconf keeps one TXT record of a service, so py-libp2p has the last. No error, no line in
# the log. Between two of a kind all three addresses arrive.
# Why it matters: the one address may be loopback, or that of a network in which the other is not. Then the two never connect, though
# an address that works was in the packet. Let a node that both kinds are to find listen on the one address that both can reach.
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
    for record in [teller.service_info.dns_pointer(), teller.service_info.dns_text()]:
        answer.add_answer_at_time(record, 0)
    print(answer.packets()[0].hex())
else:
    heard = Mock(cache=DNSCache())
    heard.cache.async_add_records(DNSIncoming(bytes.fromhex(sys.argv[2])).answers())
    info = ServiceInfo(TYPE, NAME)
    info.load_from_cache(heard)
    # A listener's method, without a listener: it needs nothing of it.
    _, addresses = PeerListener._parse_from_txt_records(None, info)
    for address in addresses:
        print(address)
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
failed=0
for writer in python javascript; do
    for reader in python javascript; do
        run() { case $1 in python) shift; venv/bin/python python.py "$@" ;; javascript) shift; node javascript.mjs "$@" ;; esac; }
        read_addresses=$(run "$reader" read "$(run "$writer" write "$peer" "${addresses[@]}")")
        echo "$writer tells ${#addresses[@]} addresses, $reader has: ${read_addresses//$'\n'/ }"
        [ "$reader" = "$writer" ] && expected=3 || expected=1
        [ "$(wc -l <<<"$read_addresses")" = "$expected" ] || failed=1
    done
done
if [ "$failed" = 1 ]; then
    echo "this has changed: each kind had all three addresses of its own kind, and one of the other's"
    exit 1
fi
