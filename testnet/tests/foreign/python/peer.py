"""A peer of py-libp2p that takes part in a network of Martlet: it hears envelopes and acks, and gossipsub passes
them on. It keeps nothing and speaks no sync.

    python peer.py NETWORK MULTIADDRESS...

Prints "ready" once it is connected to each address, then "envelope" or "acks" and the message's id for each message
of gossip. Ends when its standard input does.
"""

import sys

import cbor2
import multiaddr
import trio
from blake3 import blake3
from libp2p import new_host
from libp2p.custom_types import TProtocol
from libp2p.identity.identify import identify
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service

network, *addresses = sys.argv[1:]
envelopes = f"/martlet/{network}/envelopes/2/0"
acks = f"/martlet/{network}/acks/2"

# By this a node tells its own network's peers from others; py-libp2p has no option for it.
identify.PROTOCOL_VERSION = f"/martlet/{network}/2"


def message_id(message):
    """An envelope's id is that of its content, so that a copy with another nonce is the same message."""
    if acks in message.topicIDs:
        return blake3(message.data).digest()
    return blake3(cbor2.loads(message.data)[0]).digest()


class Router(GossipSub):
    def _check_equivocation(self, _):
        """Two messages with one author and one number are refused; anonymous ones have neither."""
        return True


async def hear(subscription, kind):
    while True:
        message = await subscription.get()
        print(kind, message_id(message).hex(), flush=True)


async def stay_connected(host):
    """A busy machine may be too slow for one of the two."""
    while True:
        for address in addresses:
            try:
                await host.connect(info_from_p2p_addr(multiaddr.Multiaddr(address)))
            except Exception:  # It is tried again.
                pass
        await trio.sleep(1)


async def main():
    host = new_host()
    router = Router(
        protocols=[TProtocol("/meshsub/1.1.0")],
        degree=3,
        degree_low=2,
        degree_high=4,
        heartbeat_interval=1,
    )
    pubsub = Pubsub(host, router, strict_signing=False, msg_id_constructor=message_id)
    listen = [multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]
    async with host.run(listen_addrs=listen), trio.open_nursery() as nursery:
        async with background_trio_service(pubsub), background_trio_service(router):
            await pubsub.wait_until_ready()
            nursery.start_soon(hear, await pubsub.subscribe(envelopes), "envelope")
            nursery.start_soon(hear, await pubsub.subscribe(acks), "acks")
            for address in addresses:
                await host.connect(info_from_p2p_addr(multiaddr.Multiaddr(address)))
            print("ready", flush=True)
            nursery.start_soon(stay_connected, host)
            await trio.to_thread.run_sync(sys.stdin.read)
            nursery.cancel_scope.cancel()


trio.run(main)
