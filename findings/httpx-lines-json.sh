#!/usr/bin/env bash
# httpx's iter_lines cuts one line of JSON in pieces, where the text holds U+2028, U+2029 or U+0085.
#
# Version: httpx 0.28.1, requests 2.34.2, aiohttp 3.14.5 (Python).
# Seen: a server streams four objects as JSON Lines, each ended by a line feed. JSON lets U+2028, U+2029 and U+0085 stand in a string
# as they are, and most writers leave them so. httpx's iter_lines gives six pieces for the three objects that hold one, none of which
# can be read. requests' iter_lines gives the objects as bytes, and the pieces with decode_unicode=True. aiohttp gives the objects.
# Why it matters: httpx and aiohttp are the clients of Python that speak HTTP over a Unix socket, so bots read streams of events with
# them. One message with such a character ends a bot that parses line by line. Gather iter_bytes, and split it at b"\n".
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check httpx==0.28.1 requests==2.34.2 aiohttp==3.14.5
cat >lines.py <<'PY'
import asyncio
import http.server
import json
import threading

import aiohttp
import httpx
import requests

TEXTS = ["plain", "line\u2028separator", "paragraph\u2029separator", "next\u0085line"]


class Events(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "application/jsonl; charset=utf-8")
        self.end_headers()
        for text in TEXTS:
            self.wfile.write((json.dumps({"text": text}, ensure_ascii=False) + "\n").encode())

    def log_message(self, *_):
        pass


def count(client, lines):
    read = unreadable = 0
    for line in filter(None, lines):
        try:
            read += json.loads(line)["text"] in TEXTS
        except json.JSONDecodeError:
            unreadable += 1
    print(f"{client}: {read} objects, {unreadable} pieces")


async def with_aiohttp(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        count("aiohttp, content", [line async for line in answer.content])


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Events)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
with httpx.stream("GET", url) as answer:
    count("httpx, iter_lines", answer.iter_lines())
with httpx.stream("GET", url) as answer:
    count("httpx, iter_bytes", b"".join(answer.iter_bytes()).split(b"\n"))
count("requests, iter_lines", requests.get(url, stream=True).iter_lines())
count("requests, iter_lines(decode_unicode=True)", requests.get(url, stream=True).iter_lines(decode_unicode=True))
asyncio.run(with_aiohttp(url))
PY
venv/bin/python lines.py | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
httpx, iter_lines: 1 objects, 6 pieces
httpx, iter_bytes: 4 objects, 0 pieces
requests, iter_lines: 4 objects, 0 pieces
requests, iter_lines(decode_unicode=True): 1 objects, 6 pieces
aiohttp, content: 4 objects, 0 pieces
SEEN
