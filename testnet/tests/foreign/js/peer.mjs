// A peer of js-libp2p that takes part in a network of Martlet: it hears envelopes and acks, and gossipsub
// passes them on. It keeps nothing and speaks no sync.
//
//     node peer.mjs NETWORK MULTIADDRESS...
//
// Prints "ready" once it passes gossip on to each address, then "envelope" or "acks" and the message's id for each
// message of gossip. Ends when its standard input does.

import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { noise } from '@chainsafe/libp2p-noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@chainsafe/libp2p-yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { blake3 } from '@noble/hashes/blake3.js'
import { decode } from 'cborg'
import { createLibp2p } from 'libp2p'

const [network, ...addresses] = process.argv.slice(2)
const envelopes = `/martlet/${network}/envelopes/2/0`
const acks = `/martlet/${network}/acks/2`

// An envelope's id is that of its content, so that a copy with another nonce is the same message.
function messageId (message) {
  if (message.topic === acks) return blake3(message.data)
  return blake3(decode(message.data, { useMaps: true }).get(0))
}

const node = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: {
    identify: identify(),
    pubsub: gossipsub({
      globalSignaturePolicy: 'StrictNoSign',
      msgIdFn: messageId,
      // Fewer than a mesh needs are there.
      allowPublishToZeroTopicPeers: true,
    }),
  },
})
// By this a node tells its own network's peers from others; js-libp2p has no option for it.
node.services.identify.host.protocolVersion = `/martlet/${network}/2`

node.services.pubsub.addEventListener('gossipsub:message', ({ detail: { msg } }) => {
  const kind = msg.topic === acks ? 'acks' : 'envelope'
  console.log(kind, Buffer.from(messageId(msg)).toString('hex'))
})
node.services.pubsub.subscribe(envelopes)
node.services.pubsub.subscribe(acks)
for (const address of addresses) {
  await node.dial(multiaddr(address))
}
// A busy machine may be too slow for one of the two.
setInterval(() => {
  for (const address of addresses) node.dial(multiaddr(address)).catch(() => {})
}, 1000)
// What one says before the other is in the mesh, the other doesn't hear.
const isInMesh = topic => node.services.pubsub.getMeshPeers(topic).length === addresses.length
while (!(isInMesh(envelopes) && isInMesh(acks))) {
  await new Promise(resolve => setTimeout(resolve, 20))
}
console.log('ready')

process.stdin.on('end', () => process.exit(0))
process.stdin.resume()
