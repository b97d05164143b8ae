#!/usr/bin/env python3
"""Does what README.md tells a newcomer to do, and fails when one of its commands fails.

The commands are those of README.md: its indented blocks, and `martletctl …` within its text. They run in a fresh copy
of the sources, with an empty home directory, in a network namespace of their own where a second user waits. What is
not done as it stands is in `Walk.instead`: cargo's commands take what the tests compiled, and `systemctl` is a stand-in
that starts what the unit says.

    .ci/newcomer.py [DIRECTORY OF THE BINARIES]
"""
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARIES = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/debug").resolve()
PASSPHRASE = "correct horse battery staple"
# Seconds that one command may take.
DEADLINE = 300

# What bob sees, and by which verb, once ann has run commands that begin so.
BOB_SEES = {
    "martletctl send bob 'Hello!'": ("inbox --json", "Hello!"),
    "martletctl send bob 'The door code": ("history ann", "left"),
    "martletctl conversation set": ("history ann", "end after 1 d"),
    "martletctl send bob 'Welcome!'": ("history ann", "> you: Hello, Ann!"),
    "martletctl react": ("history ann", "[+1 ann]"),
    "martletctl edit": ("history ann", "At the pier at eight.  (edited)"),
    "martletctl send bob --file": ("history ann", "minutes.pdf"),
    "martletctl send bob --voice": ("history ann", "voice memo, 0:03"),
    "martletctl recall": ("history ann", "recalled"),
    "martletctl profile share": ("contact show ann", "Ann Lee"),
}

# What takes another device, another person or another machine: only that there is such a verb, with such arguments.
ELSEWHERE = {
    "martletctl device link", "martletctl device join", "martletctl init --recover", "martletctl invite accept -",
    "martletctl network join far.toml", "martletctl init --name Bob",
}

SYSTEMCTL = """#!/usr/bin/env bash
# A stand-in: starts what the unit of README.md's user says, and waits until it is ready.
set -euo pipefail
[ "$1" = --user ] || { echo "systemctl: only --user is known here" >&2; exit 1; }
shift
unit=$HOME/.config/systemd/user/martletd.service
pid=$XDG_RUNTIME_DIR/martletd.pid
stop() {
    [ -e "$pid" ] || return 0
    kill "$(cat "$pid")"
    while kill -0 "$(cat "$pid")" 2>/dev/null; do sleep 0.05; done
    rm "$pid"
}
start() {
    program=$(sed -n "s|^ExecStart=||p" "$unit" | sed "s|%h|$HOME|")
    setsid $program >"$HOME/martletd.log" 2>&1 </dev/null &
    echo $! >"$pid"
    for _ in $(seq 200); do
        if martletctl status >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    cat "$HOME/martletd.log" >&2
    return 1
}
case "$*" in
    daemon-reload) test -f "$unit" ;;
    "enable --now martletd") start ;;
    "restart martletd") stop; start ;;
    "stop martletd") stop ;;
    *) echo "systemctl: $* is not known here" >&2; exit 1 ;;
esac
"""


class Failed(Exception):
    pass


def blocks(text):
    """The commands of README.md, each with the comment beside it."""
    for line in text.splitlines():
        if line.startswith("    "):
            yield from command_of(line.strip())
        elif not line.startswith("|"):
            # Whole commands within the text; those with an ellipsis or a placeholder are none.
            for inline in re.findall(r"`(martlet(?:ctl|-testnet) [^`]+)`", line):
                yield from command_of(inline)


def command_of(line):
    command, _, comment = line.partition(" #")
    if command and not command.startswith("#"):
        yield command.strip(), comment.strip()


class User:
    """Somebody with a home directory and a daemon."""

    def __init__(self, name, directory):
        self.name = name
        self.home = directory / name
        self.run_directory = self.home / "run"
        self.run_directory.mkdir(parents=True, mode=0o700)
        self.path = f"{directory}/bin:{self.home}/.cargo/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

    def environment(self):
        return {
            "HOME": str(self.home), "PATH": self.path, "XDG_RUNTIME_DIR": str(self.run_directory),
            "LANG": "C.UTF-8", "TERM": "dumb",
        }

    def run(self, command, cwd, until=None, keys=None):
        """Runs a command on a terminal, answers what it asks, and returns what it showed.

        With `until` it is interrupted once it has shown that; with `keys` these are pressed then instead.
        """
        screen, terminal = pty.openpty()
        child = subprocess.Popen(
            ["bash", "-c", command], cwd=cwd, env=self.environment(), stdin=terminal, stdout=terminal,
            stderr=terminal, start_new_session=True,
        )
        os.close(terminal)
        shown, answered, end = "", 0, time.monotonic() + DEADLINE
        while True:
            if time.monotonic() > end:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                raise Failed(f"{command}: not within {DEADLINE} s:\n{shown}")
            if select.select([screen], [], [], 0.1)[0]:
                try:
                    part = os.read(screen, 65536)
                except OSError:
                    break
                if not part:
                    break
                shown += part.decode(errors="replace").replace("\r\n", "\n")
            tail = shown[answered:]
            if re.search(r"(passphrase|Passphrase|Once more): $", tail):
                answered = len(shown)
                os.write(screen, f"{PASSPHRASE}\n".encode())
            if until and until in shown:
                if keys:
                    os.write(screen, keys)
                else:
                    os.killpg(child.pid, signal.SIGINT)
                until = None
        # Closed before the child has ended, it would be hung up on.
        code = child.wait()
        os.close(screen)
        if code != 0:
            raise Failed(f"{command}: ended with {code}:\n{shown}")
        return shown


class Walk:
    def __init__(self, directory):
        self.directory = directory
        self.sources = directory / "martlet"
        self.ann = User("ann", directory)
        self.bob = User("bob", directory)
        self.bobs_daemon = None
        self.ran = 0
        self.ids = {}

    def prepare(self):
        self.sources.mkdir()
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
        archive = subprocess.Popen(
            ["tar", "--create", "--null", "--files-from=-"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        unpack = subprocess.Popen(["tar", "--extract"], cwd=self.sources, stdin=archive.stdout)
        archive.stdin.write(files)
        archive.stdin.close()
        if archive.wait() or unpack.wait():
            raise Failed("the sources can't be copied")
        (self.sources / "minutes.pdf").write_bytes(b"%PDF-1.4\n")
        shutil.copy(self.sources / "protocol/tests/file/opusenc.ogg", self.sources / "memo.ogg")
        stand_in = self.directory / "bin/systemctl"
        stand_in.parent.mkdir()
        stand_in.write_text(SYSTEMCTL)
        stand_in.chmod(0o755)

    def install(self, user, package):
        """What `cargo install --path PACKAGE` puts where it puts it."""
        manifest = (self.sources / package / "Cargo.toml").read_text()
        name = re.search(r'^name = "([^"]+)"', manifest, re.M).group(1)
        target = user.home / ".cargo/bin" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        os.symlink(BINARIES / name, target)

    def meet_bob(self, ann_id):
        """The other one does the same on a machine of his own."""
        for package in ["daemon", "ctl"]:
            self.install(self.bob, package)
        log = open(self.bob.home / "martletd.log", "w")
        self.bobs_daemon = subprocess.Popen(
            ["martletd"], executable=BINARIES / "martletd", env=self.bob.environment(), stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, cwd=self.bob.home)
        end = time.monotonic() + DEADLINE
        while True:
            try:
                self.bob.run("martletctl init --name Bob --no-passphrase", self.bob.home)
                break
            except Failed:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        self.bob.run(f"martletctl contact add {ann_id} --name ann", self.bob.home)
        return self.bob.run("martletctl id", self.bob.home).strip()

    def instead(self, command):
        """What is done here for a command that is not done as it stands, or None."""
        testnet = "cargo run --release -p martlet-testnet -- "
        if command == testnet + "attack all":
            # All of them, in the quick form that the tests have too.
            command += " --quick --seconds 3"
        if command.startswith(testnet):
            return shlex.quote(str(BINARIES / "martlet-testnet")) + " " + command.removeprefix(testnet)
        if command == "martlet-testnet observe who-wrote":
            # That scenario takes minutes without optimization.
            command = "martlet-testnet observe first-contact --since 10s"
        if command == "martlet-testnet bench":
            # The quickest part of it; all take minutes.
            command = "martlet-testnet bench ready_s"
        if command.startswith("martlet-testnet "):
            return shlex.quote(str(BINARIES / "martlet-testnet")) + " " + command.removeprefix("martlet-testnet ")
        if command in ELSEWHERE:
            return command + " --help"
        if command == "cargo test --workspace":
            # The step before this one did.
            return f"grep -q {shlex.quote(command)} .ci/run"
        if command.startswith("cargo install --locked --path "):
            self.install(self.ann, command.split()[-1])
            return "true"
        return None

    def step(self, command, comment):
        print(f"  {command}", flush=True)
        self.ran += 1
        if "martlet1…" in command:
            ann_id = self.ann.run("martletctl id", self.sources).strip()
            command = command.replace("martlet1…", self.meet_bob(ann_id))
        for placeholder, text in [("1a2b3c4d", "Hello, Ann!"), ("5e6f7a8b", "At the pier at seven.")]:
            if placeholder in command:
                command = command.replace(placeholder, self.id_of(text)[:8])
        if command == "martletctl watch":
            # Of what has come, and interrupted as by Ctrl-C.
            self.bob.run("martletctl send ann 'Hello, Ann!' --wait delivered --timeout 120", self.bob.home)
            self.ann.run("martletctl watch --since 0", self.sources, until="Hello, Ann!")
            return
        if command == "martletctl chat":
            # The terminal has no size of its own. Ctrl-Q ends it.
            self.ann.run(f"stty columns 80 rows 24; {command}", self.sources, until="bob", keys=b"\x11")
            return
        shown = self.ann.run(self.instead(command) or command, self.sources)
        self.wait_for_bob(command)
        if command in ELSEWHERE:
            return shown
        if "restart the daemon" in comment:
            self.step("systemctl --user restart martletd", "")
        if "martletctl unlock" in comment:
            self.step("martletctl unlock", "")
        return shown

    def id_of(self, text):
        """The id of the message that says this, also once it says something else."""
        if text not in self.ids:
            messages = json.loads(self.ann.run("martletctl history bob --json", self.sources))["messages"]
            self.ids[text] = next(message["id"] for message in messages if message["text"] == text)
        return self.ids[text]

    def wait_for_bob(self, command):
        """Until bob sees what he should see of a command of ann's."""
        for beginning, (verb, wanted) in BOB_SEES.items():
            if command.startswith(beginning):
                look = f"martletctl {verb} | grep --quiet --fixed-strings {shlex.quote(wanted)}"
                self.bob.run(f"for _ in $(seq 600); do {look} && exit; sleep 0.2; done; exit 1", self.bob.home)

    def go(self):
        self.prepare()
        for command, comment in blocks((self.sources / "README.md").read_text()):
            self.step(command, comment)
        self.ann.run("systemctl --user stop martletd", self.sources)
        print(f"{self.ran} commands of README.md do what it says")

    def end(self):
        if self.bobs_daemon:
            self.bobs_daemon.terminate()
            self.bobs_daemon.wait()
        pid = self.ann.run_directory / "martletd.pid"
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGTERM)


def in_a_namespace():
    """Enters a network namespace with one interface, on which mDNS goes round as on a LAN."""
    if os.environ.get("MARTLET_NEWCOMER_NAMESPACE"):
        return
    setup = (
        "ip link set lo up && ip link add lan0 type veth peer name lan1 && ip addr add 10.77.0.1/24 dev lan0 && "
        "ip link set lan0 up multicast on && ip link set lan1 up && ip route add 224.0.0.0/4 dev lan0 && exec \"$@\""
    )
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    os.environ["MARTLET_NEWCOMER_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "--net", *root, "sh", "-c", setup, "sh", sys.executable, *sys.argv])


def main():
    in_a_namespace()
    with tempfile.TemporaryDirectory(prefix="martlet-newcomer-") as directory:
        walk = Walk(Path(directory))
        try:
            walk.go()
        except Failed as failed:
            print(f"newcomer: {failed}", file=sys.stderr)
            sys.exit(1)
        finally:
            walk.end()


if __name__ == "__main__":
    main()
