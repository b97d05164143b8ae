//! Names of peers, where the files that say how they are looked up are filled late. Skipped where this isn't root.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use martlet_protocol::control::{Diagnosis, FindingCode};
use martlet_testnet::cluster::{Lan, NodeOptions, until};

use super::{TestResult, cluster, keep_if_failed, or_skip, say};

const DEADLINE: Duration = Duration::from_secs(60);

/// Answers every question for an address with that of the second host.
const RESOLVER: &str = r"
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 53))
while True:
    q, who = s.recvfrom(512)
    end = q.index(0, 12) + 1
    is_a = q[end:end + 2] == b'\0\1'
    head = q[:2] + b'\x81\x80\0\1' + (b'\0\1' if is_a else b'\0\0') + b'\0\0\0\0'
    answer = b'\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4' + bytes([10, 77, 0, 2]) if is_a else b''
    s.sendto(head + q[12:end + 4] + answer, who)
";

/// What `ip netns exec` puts in the place of files of /etc.
struct Etc(PathBuf);

impl Etc {
    fn of(namespace: &str) -> std::io::Result<Self> {
        let etc = Self(Path::new("/etc/netns").join(namespace));
        std::fs::create_dir_all(&etc.0)?;
        etc.write("resolv.conf", "")?;
        etc.write("hosts", "127.0.0.1 localhost\n")?;
        Ok(etc)
    }

    /// In place: what is mounted elsewhere is this file.
    fn write(&self, file: &str, text: &str) -> std::io::Result<()> {
        std::fs::write(self.0.join(file), text)
    }
}

impl Drop for Etc {
    fn drop(&mut self) {
        // It is of no harm.
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It ended by itself.
        self.0.kill().unwrap_or_default();
        self.0.wait().map(|_| ()).unwrap_or_default();
    }
}

/// A laptop whose daemon started before its network was there never looked a name up again; and names that stand in the
/// file of hosts were not found either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_looked_up_as_soon_as_the_system_knows_how() -> TestResult {
    let Some(lan) = or_skip(Lan::new([1, 1])) else { return Ok(()) };
    let namespace = lan.namespace(0);
    let etc = Etc::of(&namespace)?;
    let resolver = Command::new("ip")
        .args(["netns", "exec", &namespace, "python3", "-c", RESOLVER])
        .stdin(Stdio::null())
        .spawn();
    let Ok(resolver) = resolver.map(Killed) else {
        say("SKIPPED, this test could not be run: there is no python3");
        return Ok(());
    };
    let cluster = cluster()?;
    let outcome = async {
        let node = |name: &str, host, peers: &[&str]| {
            let namespace = Some(lan.namespace(host));
            let peers = peers.iter().map(|peer| (*peer).to_owned()).collect();
            let options =
                NodeOptions { namespace, peers, mdns: Some(false), ..NodeOptions::default() };
            cluster.node(name, options)
        };
        let mut b = node("b", 1, &[]);
        b.start().await?;
        let mut a = node("a", 0, &["/dns/b.example/tcp/4177"]);
        a.start().await?;
        until("the doctor should say that there is no resolver", DEADLINE, async || {
            let found: Diagnosis = a.get("/v1/doctor").await?;
            let is_it = |one: FindingCode| one == FindingCode::NoResolver;
            Ok(found.findings.iter().any(|one| is_it(one.code)).then_some(()))
        })
        .await?;

        etc.write("resolv.conf", "nameserver 127.0.0.1\n")?;
        a.wait_connected(&[&b], DEADLINE).await?;

        etc.write("resolv.conf", "")?;
        etc.write("hosts", "127.0.0.1 localhost\n10.77.0.2 in-the-file\n")?;
        let dialled = a.ctl(&["dial", "--wait", "in-the-file"]).await?;
        let said = String::from_utf8_lossy(&dialled.stderr).into_owned();
        assert!(dialled.status.success(), "{said}");
        drop(resolver);
        Ok(())
    };
    let outcome = outcome.await;
    keep_if_failed(cluster, outcome)
}
