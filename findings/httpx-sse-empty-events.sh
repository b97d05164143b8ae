#!/usr/bin/env bash
# After the first event with an id, httpx-sse makes an event of every comment, such as sse-starlette's pings.
#
# Versions: httpx-sse 0.4.3 with httpx 0.28.1, sseclient-py 1.9.0, sse-starlette 3.7.0 (Python); eventsource-parser 3.1.1 (JavaScript).
# Seen: sse-starlette sends two events of JSON with a pause between them, in which it pings: it writes a comment and an empty line.
# Without ids httpx-sse, sseclient-py and eventsource-parser give the two events. If the first has an id, httpx-sse gives one more event
# for each ping, and one for each comment of the program's own. They have the first one's id, the name "message" and no data. The two
# others still give two events. By the standard the id stays for later events, and what has no data is no event.
# Why it matters: sse-starlette pings each 15 seconds unless it is told otherwise, so a test with a short stream passes. At the first
# ping after an id, a client that parses each event's data as JSON fails at an empty text. Skip events whose data is empty.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check httpx-sse==0.4.3 httpx==0.28.1 sseclient-py==1.9.0 sse-starlette==3.7.0
npm install --silent --no-fund --no-audit eventsource-parser@3.1.1 >/dev/null
cat >read.mjs <<'JS'
import { readFileSync } from 'node:fs'
import { createParser } from 'eventsource-parser'

const events = []
createParser({ onEvent: (event) => events.push(event) }).feed(readFileSync('stream', 'utf8'))
console.log(events.filter((event) => event.data !== '').length, events.filter((event) => event.data === '').length)
JS
cat >stream.py <<'PY'
import asyncio
import json
import subprocess

import httpx
import sseclient
from httpx_sse import aconnect_sse
from sse_starlette.sse import EventSourceResponse


def application(comment, **first):
    async def events():
        yield {"data": '{"number": 1}', **first}
        if comment:
            yield {"comment": "nothing yet"}
        else:
            await asyncio.sleep(2.5)
        yield {"data": '{"number": 2}'}

    async def answer(scope, receive, send):
        # Three pings at most come in the pause.
        await EventSourceResponse(events(), ping=60 if comment else 1)(scope, receive, send)

    return answer


def count(events):
    full = [event for event in events if event.data]
    empty = [event for event in events if not event.data]
    assert [json.loads(event.data)["number"] for event in full] == [1, 2]
    return f"{len(full)} events with data, " + ("empty ones too" if empty else "no empty ones")


async def main():
    for how, first in [("without ids", {}), ("with an id", {"id": "7"})]:
        for comment in [False, True]:
            transport = httpx.ASGITransport(application(comment, **first))
            async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
                async with aconnect_sse(client, "GET", "/") as source:
                    events = [event async for event in source.aiter_sse()]
                stream = (await client.get("/")).content
            what = f"{how}, {'a comment' if comment else 'pings'}"
            assert b"\r\n\r\n: " in stream, stream
            print(f"{what}, httpx-sse: {count(events)}")
            for event in events:
                if not event.data:
                    assert (event.event, event.id) == ("message", "7"), event
            print(f"{what}, sseclient-py: {count(list(sseclient.SSEClient([stream]).events()))}")
            with open("stream", "wb") as file:
                file.write(stream)
            full, empty = subprocess.run(["node", "read.mjs"], check=True, capture_output=True, text=True).stdout.split()
            print(f"{what}, eventsource-parser: {full} events with data, {'no' if empty == '0' else empty} empty ones")


asyncio.run(main())
PY
venv/bin/python stream.py | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
without ids, pings, httpx-sse: 2 events with data, no empty ones
without ids, pings, sseclient-py: 2 events with data, no empty ones
without ids, pings, eventsource-parser: 2 events with data, no empty ones
without ids, a comment, httpx-sse: 2 events with data, no empty ones
without ids, a comment, sseclient-py: 2 events with data, no empty ones
without ids, a comment, eventsource-parser: 2 events with data, no empty ones
with an id, pings, httpx-sse: 2 events with data, empty ones too
with an id, pings, sseclient-py: 2 events with data, no empty ones
with an id, pings, eventsource-parser: 2 events with data, no empty ones
with an id, a comment, httpx-sse: 2 events with data, empty ones too
with an id, a comment, sseclient-py: 2 events with data, no empty ones
with an id, a comment, eventsource-parser: 2 events with data, no empty ones
SEEN
