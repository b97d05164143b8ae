#!/usr/bin/env bash
# Two of JavaScript's clients for server-sent events ask again from an older id than the server has told them.
#
# Versions: eventsource 4.1.1, eventsource-client 1.2.0, undici 7.16.0 (npm); requests-sse 0.5.3 (Python).
# Seen: a server sends the event one with the id 1, the event two without an id, and then the id 2 without data, and ends the answer. On
# the next connection undici, whose client Node has too, and requests-sse send `Last-Event-ID: 2`. eventsource and eventsource-client send
# 1. By the standard an id counts whether or not data comes with it. And the event two has the last id still: undici and requests-sse
# say that it is 1, eventsource says "", and eventsource-client nothing.
# Why it matters: by an id without data a server can say that up to there it has nothing for this client. These two clients forget that,
# and ask after each break for what was looked through already. And who stores each event's id, to go on from it after a restart,
# stores none for some, and starts from the beginning. Send no id without data, and one with each event.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check requests-sse==0.5.3 requests==2.34.2
npm install --silent --no-fund --no-audit eventsource@4.1.1 eventsource-client@1.2.0 undici@7.16.0 >/dev/null
cat >python.py <<'PY'
import sys

from requests_sse import EventSource

with EventSource(sys.argv[1], max_connect_retry=0) as source:
    try:
        for event in source:
            print(f"requests-sse: {event.data} has the id {event.last_event_id!r}", flush=True)
    except Exception:
        # The answer 204, which ends it.
        pass
PY
cat >javascript.mjs <<'JS'
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { promisify } from 'node:util'
import { EventSource } from 'eventsource'
import { createEventSource } from 'eventsource-client'
import { EventSource as Undici } from 'undici'

const asked = {}
const server = createServer((request, response) => {
  const name = request.url.slice(1)
  if (name in asked) {
    asked[name].again(request.headers['last-event-id'])
    response.writeHead(204).end()
    return
  }
  asked[name] = {}
  asked[name].id = new Promise((resolve) => { asked[name].again = resolve })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.end('retry: 100\n\nid: 1\ndata: one\n\ndata: two\n\nid: 2\n\n')
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const address = (name) => `http://127.0.0.1:${server.address().port}/${name}`

const clients = {
  eventsource: (url, show) => {
    const source = new EventSource(url)
    source.onmessage = (event) => show(event.data, event.lastEventId)
    return () => source.close()
  },
  undici: (url, show) => {
    const source = new Undici(url)
    source.onmessage = (event) => show(event.data, event.lastEventId)
    return () => source.close()
  },
  'eventsource-client': (url, show) => {
    const source = createEventSource({ url, onMessage: (event) => show(event.data, event.id) })
    return () => source.close()
  }
}
const until = async (name) => {
  while (!(name in asked)) await new Promise((resolve) => setTimeout(resolve, 20))
  console.log(`${name}: asks again from ${await asked[name].id}`)
}
for (const [name, client] of Object.entries(clients)) {
  const quote = (id) => (id === undefined ? 'undefined' : `'${id}'`)
  const close = client(address(name), (data, id) => console.log(`${name}: ${data} has the id ${quote(id)}`))
  await until(name)
  close()
}
const python = promisify(execFile)('venv/bin/python', ['python.py', address('requests-sse')])
console.log((await python).stdout.trim())
await until('requests-sse')
process.exit()
JS
node javascript.mjs | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
eventsource: one has the id '1'
eventsource: two has the id ''
eventsource: asks again from 1
undici: one has the id '1'
undici: two has the id '1'
undici: asks again from 2
eventsource-client: one has the id '1'
eventsource-client: two has the id undefined
eventsource-client: asks again from 1
requests-sse: one has the id '1'
requests-sse: two has the id '1'
requests-sse: asks again from 2
SEEN
