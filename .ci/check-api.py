"""Checks the control API by its own description, GET /v1/openapi.json.

    .ci/check-api.py MARTLETD [SECONDS]

The description is valid by two validators that know nothing of each other: the schemas of the OpenAPI Initiative
(openapi-spec-validator), and a model written by hand (openapi-pydantic). A client that is generated from it
(openapi-python-client) lets two people write to each other. And Schemathesis asks a daemon for SECONDS, 60 if not said,
what the description allows and what it doesn't: no answer is a server's error, or other than described; what is
against the description is refused, and what is in accordance with it is not.

What it needs .ci/run installs into a virtual environment. Everything is on loopback and in temporary directories.
"""

import asyncio
import contextlib
import http.client
import importlib
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

import httpx
import openapi_pydantic
import openapi_spec_validator

# How long anything may take on a busy machine, seconds.
DEADLINE = 60
# Left out of the fuzzing. Streams have tests of their own, and so has what is no JSON; a backup is written wherever the request
# says; with another passphrase the vault would be locked for the rest of it, an erased account gone,
# and one that was terminated, or whose device was revoked, could send nothing.
LEFT_OUT = ["/v1/events", "/v1/peers/events", "/v1/backup", "/v1/passphrase", "/v1/account/export", "/v1/account/erase",
            "/v1/account/terminate", "/v1/devices/{device}/revoke"]


class Connection(http.client.HTTPConnection):
    """To a Unix socket."""

    def __init__(self, path):
        super().__init__("martlet", timeout=DEADLINE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(str(self.path))


def until(condition):
    """What `condition` returns once it is true."""
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.02)
    return found


class Daemon:
    def __init__(self, martletd, home, *more):
        self.socket = home / "control.sock"
        self.log = open(home / "log", "w")
        command = [martletd, "--data-dir", home, "--socket", self.socket, "--mdns", "false"]
        command += ["--listen", "/ip4/127.0.0.1/tcp/0", *more]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env={})
        until(self.answers)

    def answers(self):
        assert self.process.poll() is None, pathlib.Path(self.log.name).read_text()
        with contextlib.suppress(OSError):
            return self.ask("GET", "/v1/status")

    def ask(self, method, path, body=None):
        connection = Connection(self.socket)
        headers = {"content-type": "application/json"} if body is not None else {}
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, headers)
        response = connection.getresponse()
        text = response.read()
        assert response.status < 300, (method, path, response.status, text)
        return json.loads(text) if text else {}

    def stop(self):
        self.process.terminate()
        code = self.process.wait(DEADLINE)
        assert code == 0, (code, pathlib.Path(self.log.name).read_text())


def check_validity(description):
    openapi_spec_validator.validate(description)
    model = openapi_pydantic.OpenAPI.model_validate(description)
    print(f"valid by both validators: OpenAPI {model.openapi}, {len(model.paths)} paths")


def generate(description, directory):
    """The generated client's package."""
    path, config = directory / "openapi.json", directory / "config.json"
    path.write_text(json.dumps(description))
    config.write_text(json.dumps({"package_name_override": "martlet_client", "post_hooks": []}))
    command = ["openapi-python-client", "generate", "--path", path, "--config", config]
    command += ["--meta", "none", "--output-path", directory / "martlet_client"]
    # It warns of the stream of events, which such a client has no place for.
    generated = subprocess.run(command, capture_output=True, text=True)
    assert generated.returncode == 0, generated.stdout + generated.stderr
    sys.path.insert(0, str(directory))
    return importlib.import_module("martlet_client")


def check_client(package, ann, ben):
    """Two people write to each other by nothing but the generated client."""

    def client(daemon):
        transport = httpx.HTTPTransport(uds=str(daemon.socket))
        arguments = {"transport": transport}
        return package.Client(base_url="http://martlet", httpx_args=arguments)

    def call(client, module, *parts, **more):
        module = importlib.import_module(f"martlet_client.api.{module}")
        answer = module.sync_detailed(*parts, client=client, **more)
        assert answer.status_code < 300, answer
        return answer.parsed

    models = importlib.import_module("martlet_client.models")
    people = {"ann": client(ann), "ben": client(ben)}
    ids = {
        name: call(one, "identity.create_identity", body=models.InitRequest(name=name)).id
        for name, one in people.items()
    }
    for name, other in (("ann", "ben"), ("ben", "ann")):
        contact = models.ContactAdd(id=ids[other], name=other)
        assert call(people[name], "contacts.add_contact", body=contact).id == ids[other]
    for name, other in (("ann", "ben"), ("ben", "ann")):
        text = f"Hello {other}! 🐦"
        request = models.SendRequest(to=other, text=text)
        sent = call(people[name], "messages.send_message", body=request)
        there = people[other]
        inbox = until(lambda: call(there, "messages.get_inbox").conversations)
        (message,) = inbox[0].messages
        assert (message.text, message.id, inbox[0].name) == (text, sent.id, name), inbox
        assert call(there, "messages.mark_read", name).marked == 1
        mine = until(
            lambda: (found := call(people[name], "messages.get_message", sent.id))
            and found.state in (models.Delivery.DELIVERED, models.Delivery.READ)
            and found
        )
        assert mine.direction == models.Direction.OUT
    print("the generated client sent and received")


class Relay:
    """A port on loopback before a Unix socket."""

    def __init__(self, path):
        self.path = path
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(
            asyncio.start_server(self.pass_on, "127.0.0.1", 0)
        )
        self.port = self.server.sockets[0].getsockname()[1]
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    async def pass_on(self, reader, writer):
        try:
            from_daemon, to_daemon = await asyncio.open_unix_connection(self.path)
        except OSError:
            return writer.close()
        await asyncio.gather(self.copy(reader, to_daemon), self.copy(from_daemon, writer))

    async def copy(self, reader, writer):
        with contextlib.suppress(OSError):
            while part := await reader.read(1 << 16):
                writer.write(part)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


def fuzz(daemon, ann, seconds, directory):
    """Schemathesis against a daemon with a contact, a conversation and a note."""
    daemon.ask("POST", "/v1/identity", {"name": "Eve", "passphrase": None})
    ann_id = ann.ask("GET", "/v1/identity")["id"]
    daemon.ask("POST", "/v1/contacts", {"id": ann_id, "name": "ann"})
    daemon.ask("POST", "/v1/messages", {"to": "ann", "text": "Hello!"})
    daemon.ask("POST", "/v1/notes", {"text": "a note"})
    config = pathlib.Path(__file__).with_name("schemathesis.toml")
    url = f"http://127.0.0.1:{Relay(daemon.socket).port}"
    command = ["schemathesis", "--config-file", config, "run", f"{url}/v1/openapi.json"]
    # With a seed, so that a failure comes again.
    command += ["--max-time", str(seconds), "--seed", "1", "--no-color"]
    for path in LEFT_OUT:
        command += ["--exclude-path", path]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    daemon.ask("GET", "/v1/status")
    if result.returncode != 0:
        sys.exit(result.stdout + result.stderr)
    print(result.stdout[result.stdout.rfind("Test cases") :].strip())


def main():
    martletd = pathlib.Path(sys.argv[1]).resolve()
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as running:
        homes = [pathlib.Path(directory) / name for name in ("ann", "ben", "eve", "client")]
        for home in homes:
            home.mkdir()

        def start(home, *more):
            daemon = Daemon(martletd, home, *more)
            running.callback(daemon.process.kill)
            return daemon

        ann = start(homes[0])
        address = ann.ask("GET", "/v1/status")["listen"][0]
        ben = start(homes[1], "--static-peer", address)
        eve = start(homes[2])
        description = ann.ask("GET", "/v1/openapi.json")
        check_validity(description)
        check_client(generate(description, homes[3]), ann, ben)
        fuzz(eve, ann, seconds, homes[3])
        for daemon in (ann, ben, eve):
            daemon.stop()


main()
