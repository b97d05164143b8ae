//! A fake daemon: a Unix socket that answers HTTP/1.1 as it is told, and notes what was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;

use martlet_protocol::control::{ErrorCode, Problem};
use serde_json::Value;
use tempfile::TempDir;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Which connection brought it: 0, 1, 2, …
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

impl Seen {
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What to answer.
pub(crate) enum Answer {
    /// 200 and JSON.
    Json(Value),
    /// 200 and text.
    Text(&'static str),
    /// This status and nothing.
    Empty(u16),
    /// An error.
    Problem(ErrorCode, &'static str),
    /// An event stream of what is received, until the sender is dropped.
    Stream(Receiver<String>),
    /// These bytes, then the connection is closed.
    Raw(&'static [u8]),
    /// JSON, then the connection is closed.
    LastJson(Value),
}

/// The fake daemon. Dropping it closes the socket and its connections; the file stays.
pub(crate) struct Fake {
    socket: PathBuf,
    seen: Arc<Mutex<Vec<Seen>>>,
    streams: Arc<Mutex<Vec<UnixStream>>>,
    closed: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    accepting: Option<thread::JoinHandle<()>>,
    _directory: Option<TempDir>,
}

impl Fake {
    /// A daemon that answers each request by `answer`.
    pub(crate) fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut fake = Self::start_at(&directory.path().join("control.sock"), answer);
        fake._directory = Some(directory);
        fake
    }

    /// The same on a given socket, whose left-over file it removes.
    pub(crate) fn start_at(
        socket: &Path,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let closed = Arc::new(AtomicUsize::new(0));
        let stopping = Arc::new(AtomicBool::new(false));
        let answer = Arc::new(answer);
        let accepting = thread::spawn({
            let (seen, streams) = (Arc::clone(&seen), Arc::clone(&streams));
            let (closed, stopping) = (Arc::clone(&closed), Arc::clone(&stopping));
            move || {
                for (connection, stream) in listener.incoming().enumerate() {
                    if stopping.load(Ordering::SeqCst) {
                        return;
                    }
                    let stream = stream.unwrap();
                    streams.lock().unwrap().push(stream.try_clone().unwrap());
                    let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                    let closed = Arc::clone(&closed);
                    thread::spawn(move || {
                        serve(connection, &stream, &seen, &*answer);
                        let _ = stream.shutdown(Shutdown::Both);
                        closed.fetch_add(1, Ordering::SeqCst);
                    });
                }
            }
        });
        Self {
            socket: socket.to_owned(),
            seen,
            streams,
            closed,
            stopping,
            accepting: Some(accepting),
            _directory: None,
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many connections have been closed.
    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }

    /// The requests so far, as `GET /path`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.socket);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for stream in self.streams.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Answers until the client or [`Fake`] closes; then every write and read fails, which ends it.
fn serve(
    connection: usize,
    mut stream: &UnixStream,
    seen: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen) -> Answer,
) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(connection, &mut reader) {
        // Who watches asks for this beside the events: a daemon of before knows nothing of it.
        let answered = match request.path == "/v1/peers/events" {
            true => Answer::Problem(ErrorCode::NotFound, "no such path"),
            false => {
                seen.lock().unwrap().push(request.clone());
                answer(&request)
            }
        };
        let last = match answered {
            Answer::Json(json) => stream.write_all(&ok(&json)).is_err(),
            Answer::Text(text) => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
                stream.write_all((head + text).as_bytes()).is_err()
            }
            Answer::Empty(status) => {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).is_err()
            }
            Answer::Problem(code, detail) => {
                let problem = Problem::new(code, detail);
                let body = serde_json::to_string(&problem).unwrap();
                let head = format!(
                    "HTTP/1.1 {} X\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\r\n",
                    problem.status,
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).is_err()
            }
            Answer::Stream(chunks) => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
                let _ = stream.write_all(head);
                for chunk in chunks {
                    let chunk = format!("{:x}\r\n{chunk}\r\n", chunk.len());
                    if stream.write_all(chunk.as_bytes()).is_err() {
                        return;
                    }
                }
                let _ = stream.write_all(b"0\r\n\r\n");
                false
            }
            Answer::Raw(bytes) => {
                let _ = stream.write_all(bytes);
                true
            }
            Answer::LastJson(json) => {
                let _ = stream.write_all(&ok(&json));
                true
            }
        };
        if last {
            return;
        }
    }
}

fn ok(json: &Value) -> Vec<u8> {
    let body = json.to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn read_request(connection: usize, reader: &mut BufReader<&UnixStream>) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&count| count > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&count| count > 0)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => {
                headers.insert(name.to_lowercase(), value.to_owned());
            }
            None => break,
        }
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let text = String::from_utf8_lossy(&body).into_owned();
    Some(Seen { connection, method, path, headers, body: text, bytes: body })
}
