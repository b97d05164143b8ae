//! One node: its files, its process, and their life.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use martlet_protocol::control::Status;
use martletctl::client::{Client, ClientError};
use rustix::process::{Resource, Rlimit, Signal};

use super::{ClusterError, Process, Usage, clock, remove_own_variables, until, usage};

/// Longest start of a daemon: of an unoptimized build, on a machine busy with other tests.
pub const START_MAX: Duration = Duration::from_secs(30);
/// Longest orderly stop.
pub const STOP_MAX: Duration = Duration::from_secs(15);
/// Time between two looks whether a daemon answers: small against its start.
const READY_POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Bytes of a log's end shown in an error.
const LOG_TAIL_BYTES: usize = 4096;

/// How to run a node.
#[derive(Debug, Clone, Default)]
pub struct NodeOptions {
    /// Multiaddresses of static peers.
    pub peers: Vec<String>,
    /// Further lines of the configuration file.
    pub config: Vec<String>,
    /// Further arguments.
    pub args: Vec<String>,
    /// Whether to listen by TCP alone, as in a closed network.
    pub tcp_only: bool,
    /// The network namespace to run in ([`super::Lan::namespace`]). There the node listens where
    /// a daemon does that nobody configured, and finds others by mDNS.
    pub namespace: Option<String>,
    /// Whether to find others by mDNS; `None`: in a namespace only.
    pub mdns: Option<bool>,
    /// Whether a write past the limit set with [`Node::limit_files`] fails with an error, as one on
    /// a full disk does, and not with a signal that ends the process.
    pub survive_file_limit: bool,
    /// The file that says how far its clock is ahead ([`super::set_clock`]); `None`: it is not.
    pub clock: Option<PathBuf>,
    /// Further variables of its environment: `NAME=value`.
    pub env: Vec<String>,
}

/// One node. Its process is killed when it is dropped.
#[derive(Debug)]
pub struct Node {
    name: String,
    cluster: PathBuf,
    program: PathBuf,
    options: NodeOptions,
    /// What it listens on: any port at first, then always the same. None: the daemon's default.
    listen: Vec<String>,
    /// What others dial, once it was started.
    addresses: Vec<String>,
    client: Client,
    process: Option<Process>,
}

impl Node {
    pub(super) fn new(cluster: &Path, program: &Path, name: &str, options: NodeOptions) -> Self {
        let cluster = cluster.to_owned();
        let loopback = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"];
        let listen = match options.namespace {
            Some(_) => Vec::new(),
            None => loopback.map(str::to_owned).into(),
        };
        Self {
            client: Client::new(socket(&cluster, name)),
            name: name.to_owned(),
            cluster,
            program: program.to_owned(),
            options,
            listen,
            addresses: Vec::new(),
            process: None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.cluster.join(&self.name)
    }

    /// Its configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.cluster.join(format!("{}.toml", self.name))
    }

    /// Its log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.cluster.join(format!("{}.log", self.name))
    }

    /// Its control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket(&self.cluster, &self.name)
    }

    /// A client of its own connection; [`Self::shared_client`] queues requests one after another.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.socket())
    }

    /// The node's client.
    #[must_use]
    pub fn shared_client(&self) -> &Client {
        &self.client
    }

    /// The TCP address that others can dial, with its peer id; known since its first start.
    ///
    /// # Errors
    /// [`ClusterError::NotRunning`] if it was never started.
    pub fn address(&self) -> Result<String, ClusterError> {
        self.address_with("/tcp/")
    }

    /// The same for QUIC.
    ///
    /// # Errors
    /// [`ClusterError::NotRunning`] if it was never started.
    pub fn quic_address(&self) -> Result<String, ClusterError> {
        self.address_with("/quic-v1")
    }

    /// Its options, to be changed before the next start.
    pub fn options_mut(&mut self) -> &mut NodeOptions {
        &mut self.options
    }

    /// Starts the process and waits until it answers.
    ///
    /// # Errors
    /// When it doesn't start, ends, or doesn't answer within [`START_MAX`].
    pub async fn start(&mut self) -> Result<(), ClusterError> {
        self.spawn()?;
        self.ready().await?;
        Ok(())
    }

    /// Starts the process, without waiting for it.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn(&mut self) -> Result<(), ClusterError> {
        self.process = None;
        self.write_config()?;
        let (program, args) = self.command();
        let process = Process::spawn(&program, args, &self.log_file())
            .map_err(|source| ClusterError::Process { node: self.name.clone(), source })?;
        self.process = Some(process);
        Ok(())
    }

    /// Waits until a started process answers and listens.
    ///
    /// # Errors
    /// When it ends, or doesn't answer within [`START_MAX`].
    pub async fn ready(&mut self) -> Result<Status, ClusterError> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.look().await? {
                self.addresses.clone_from(&status.listen);
                if self.options.namespace.is_none() {
                    let listen = status.listen.iter().map(|address| without_peer(address));
                    self.listen = listen.collect();
                }
                return Ok(status);
            }
            if started.elapsed() >= START_MAX {
                return Err(ClusterError::TimedOut {
                    what: format!("node {} does not answer; {}", self.name, self.log_tail()),
                    after: START_MAX,
                });
            }
            tokio::time::sleep(READY_POLL_INTERVAL).await;
        }
    }

    /// Ends it at once, by SIGKILL.
    ///
    /// # Errors
    /// When it isn't running.
    pub fn kill(&mut self) -> Result<(), ClusterError> {
        let mut process = self.take_process()?;
        let killed = process.kill();
        killed.map_err(|source| ClusterError::Process { node: self.name.clone(), source })?;
        Ok(())
    }

    /// Asks it to stop, by SIGTERM, and waits until it has.
    ///
    /// # Errors
    /// When it isn't running, fails to stop within [`STOP_MAX`], or ends with an error.
    pub async fn stop(&mut self) -> Result<(), ClusterError> {
        self.signal(Signal::TERM)?;
        let status = self.ended(STOP_MAX).await?;
        if status.success() {
            return Ok(());
        }
        Err(ClusterError::Ended { node: self.name.clone(), status, log: self.log_tail() })
    }

    /// Stops it and starts it again on the same data and ports.
    ///
    /// # Errors
    /// Those of [`Self::stop`] and [`Self::start`].
    pub async fn restart(&mut self) -> Result<(), ClusterError> {
        self.stop().await?;
        self.start().await
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it isn't running.
    pub fn signal(&mut self, signal: Signal) -> Result<(), ClusterError> {
        let node = self.name.clone();
        let process =
            self.process.as_mut().ok_or_else(|| ClusterError::NotRunning { node: node.clone() })?;
        process.signal(signal).map_err(|source| ClusterError::Process { node, source })
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// When it isn't running, or doesn't end within `deadline`.
    pub async fn ended(&mut self, deadline: Duration) -> Result<ExitStatus, ClusterError> {
        let mut process = self.take_process()?;
        let node = &self.name;
        until(format!("node {node} should have ended"), deadline, async || {
            process.ended().map_err(|source| ClusterError::Process { node: node.clone(), source })
        })
        .await
    }

    /// Whether the process runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| matches!(process.ended(), Ok(None)))
    }

    /// Its process number.
    ///
    /// # Errors
    /// When it isn't running.
    pub fn pid(&self) -> Result<u32, ClusterError> {
        let process = self.process.as_ref();
        process
            .map(Process::pid)
            .ok_or_else(|| ClusterError::NotRunning { node: self.name.clone() })
    }

    /// What its process has used.
    ///
    /// # Errors
    /// When it isn't running.
    pub fn usage(&self) -> Result<Usage, ClusterError> {
        usage(self.pid()?)
            .map_err(|source| ClusterError::Process { node: self.name.clone(), source })
    }

    /// Sets the size past which no file of the running process can grow (`RLIMIT_FSIZE`), as if
    /// the disk were full; `None` lifts it. The node needs [`NodeOptions::survive_file_limit`].
    ///
    /// # Errors
    /// When it isn't running.
    pub fn limit_files(&self, bytes: Option<u64>) -> Result<(), ClusterError> {
        let pid = i32::try_from(self.pid()?).ok().and_then(rustix::process::Pid::from_raw);
        // Only the soft limit, so that it can be lifted without privileges.
        let limit = Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(pid, Resource::Fsize, limit).map(drop).map_err(|errno| {
            ClusterError::Process { node: self.name.clone(), source: errno.into() }
        })
    }

    /// Its whole log.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Writes the configuration file as [`Self::spawn`] does.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_config(&self) -> Result<(), ClusterError> {
        let mdns = self.options.mdns.unwrap_or(self.options.namespace.is_some());
        let mut text = format!("mdns = {mdns}\n");
        if !self.listen.is_empty() {
            text.push_str(&format!("listen = {}\n", toml_list(&self.listens())));
        }
        text.push_str(&format!("static_peers = {}\n", toml_list(&self.options.peers)));
        text.extend(self.options.config.iter().map(|line| format!("{line}\n")));
        let path = self.config_file();
        fs::write(&path, text).map_err(|source| ClusterError::File { path, source })
    }

    /// The program and arguments that [`Self::spawn`] runs.
    #[must_use]
    pub fn command(&self) -> (PathBuf, Vec<String>) {
        let mut daemon = vec![
            "daemon".to_owned(),
            "--config".to_owned(),
            self.config_file().display().to_string(),
            "--data-dir".to_owned(),
            self.data_dir().display().to_string(),
            "--socket".to_owned(),
            self.socket().display().to_string(),
        ];
        daemon.extend(self.options.args.iter().cloned());
        let (mut program, mut args) = (self.program.clone(), daemon);
        // Each of these becomes the daemon by exec: the process stays the one that is started here.
        let mut through = |wrapper: &str, first: &[&str]| {
            let inner = std::mem::replace(&mut program, wrapper.into());
            let first = first.iter().map(|arg| (*arg).to_owned());
            args.splice(0..0, first.chain([inner.display().to_string()]));
        };
        let clock = self.options.clock.as_deref().map(clock::variable);
        for variable in self.options.env.iter().chain(&clock) {
            through("/usr/bin/env", &[variable]);
        }
        if self.options.survive_file_limit {
            // An ignored signal stays ignored; to ignore one here would need unsafe code.
            through("/bin/sh", &["-c", r#"trap "" XFSZ; exec "$@""#, "sh"]);
        }
        if let Some(namespace) = &self.options.namespace {
            through("ip", &["netns", "exec", namespace]);
        }
        (program, args)
    }

    /// Runs `martletctl` with the node's socket and `args`; its input is empty.
    ///
    /// # Errors
    /// When it can't be run. What it says and its exit code are in the output.
    pub async fn ctl(&self, args: &[&str]) -> Result<std::process::Output, ClusterError> {
        let mut command = std::process::Command::new(&self.program);
        remove_own_variables(&mut command);
        command.arg("ctl").arg("--socket").arg(self.socket()).args(args);
        tokio::process::Command::from(command)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|source| ClusterError::Process { node: self.name.clone(), source })
    }

    /// The status, if the process answers and listens on all its addresses.
    async fn look(&mut self) -> Result<Option<Status>, ClusterError> {
        let node = self.name.clone();
        let Some(process) = &mut self.process else {
            return Err(ClusterError::NotRunning { node });
        };
        match process.ended() {
            Ok(None) => {}
            Ok(Some(status)) => {
                self.process = None;
                return Err(ClusterError::Ended { node, status, log: self.log_tail() });
            }
            Err(source) => return Err(ClusterError::Process { node, source }),
        }
        match self.client.get::<Status>("/v1/status").await {
            Ok(status) if self.is_listening(&status) => Ok(Some(status)),
            // It is about to listen, or to end: what it is shows at the next look.
            Ok(_)
            | Err(
                ClientError::NotRunning { .. }
                | ClientError::Connect { .. }
                | ClientError::Disconnected { .. },
            ) => Ok(None),
            Err(source) => Err(ClusterError::Client { node, source }),
        }
    }

    /// Whether it listens on all that it is to; where it was told nothing, by all transports at an
    /// address that others reach; where its configuration says, at any.
    fn is_listening(&self, status: &Status) -> bool {
        if !self.listen.is_empty() {
            return status.listen.len() >= self.listens().len();
        }
        if self.options.config.iter().any(|line| line.starts_with("listen =")) {
            let is_loopback = |at: &str| at.starts_with("/ip4/127.") || at.starts_with("/ip6/::1/");
            return status.listen.iter().any(|at| !is_loopback(at));
        }
        let kinds = if self.options.tcp_only { &["/tcp/"][..] } else { &["/tcp/", "/quic-v1"] };
        kinds.iter().all(|kind| self.find_address(&status.listen, kind).is_some())
    }

    /// What it is to listen on.
    fn listens(&self) -> Vec<String> {
        let listen = self.listen.iter();
        listen.filter(|at| !(self.options.tcp_only && at.contains("/quic"))).cloned().collect()
    }

    fn take_process(&mut self) -> Result<Process, ClusterError> {
        self.process.take().ok_or_else(|| ClusterError::NotRunning { node: self.name.clone() })
    }

    fn address_with(&self, transport: &str) -> Result<String, ClusterError> {
        let found = self.find_address(&self.addresses, transport);
        found.cloned().ok_or_else(|| ClusterError::NotRunning { node: self.name.clone() })
    }

    /// One of `addresses` that others can dial.
    fn find_address<'a>(&self, addresses: &'a [String], transport: &str) -> Option<&'a String> {
        let is_loopback = |address: &str| address.starts_with("/ip4/127.");
        addresses.iter().find(|address| {
            address.starts_with("/ip4/")
                && address.contains(transport)
                && !(self.options.namespace.is_some() && is_loopback(address))
        })
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let from = log.len().saturating_sub(LOG_TAIL_BYTES);
        let from = (from..=log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
        log[from..].trim_end().to_owned()
    }
}

fn socket(cluster: &Path, name: &str) -> PathBuf {
    cluster.join(name).join("control.sock")
}

fn without_peer(address: &str) -> String {
    address.split("/p2p/").next().unwrap_or(address).to_owned()
}

fn toml_list(items: &[String]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
    format!("[{}]", quoted.join(", "))
}
