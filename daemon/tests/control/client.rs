//! A plain HTTP client, so that what is sent is exactly what a test says.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use martlet_protocol::control::{ErrorCode, Problem};
use serde_json::Value;

use crate::daemon::DEADLINE;

/// One connection, kept alive.
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// One Server-Sent Event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SentEvent {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send_head("GET", path, "");
        self.response().unwrap()
    }

    /// The status, or `None` if the connection was refused or closed.
    pub(crate) fn try_get(&mut self, path: &str) -> Option<u16> {
        let head = format!("GET {path} HTTP/1.1\r\nhost: martlet\r\n\r\n");
        self.stream.get_mut().write_all(head.as_bytes()).ok()?;
        Some(self.response().ok()?.status)
    }

    pub(crate) fn call(&mut self, method: &str, path: &str, body: &Value) -> Response {
        self.call_raw(method, path, "application/json", body.to_string().as_bytes())
    }

    pub(crate) fn call_raw(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Response {
        let length = body.len();
        let headers = format!("content-type: {content_type}\r\ncontent-length: {length}\r\n");
        self.send_head(method, path, &headers);
        // The daemon may answer and close before it has read all of a body it refuses.
        let _ = self.stream.get_mut().write_all(body);
        self.response().unwrap()
    }

    pub(crate) fn send_head(&mut self, method: &str, path: &str, headers: &str) {
        self.send(format!("{method} {path} HTTP/1.1\r\nhost: martlet\r\n{headers}\r\n").as_bytes());
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// The same to a daemon that may have answered and closed already.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    pub(crate) fn response(&mut self) -> io::Result<Response> {
        let (status, headers) = self.response_head()?;
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .map_or(0, |(_, value)| value.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Response { status, headers, body })
    }

    /// So many bytes of a body, with pauses.
    pub(crate) fn read_slowly(&mut self, length: usize, pause: Duration) -> Vec<u8> {
        let mut body = vec![0; length];
        for part in body.chunks_mut(64 << 10) {
            std::thread::sleep(pause);
            self.stream.read_exact(part).unwrap();
        }
        body
    }

    pub(crate) fn response_head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let first = self.line()?;
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{first:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        Ok((status, headers))
    }

    /// Whether the daemon has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok([]) | Err(_))
    }

    /// Starts to follow events; the response must be a stream of them.
    pub(crate) fn follow(&mut self, path: &str, headers: &str) {
        self.send_head("GET", path, headers);
        let (status, headers) = self.response_head().unwrap();
        assert_eq!(status, 200);
        let content_type = ("content-type".to_owned(), "text/event-stream".to_owned());
        assert!(headers.contains(&content_type), "{headers:?}");
    }

    /// The next event; `None` at the stream's end. Frames of the chunked coding and of the events
    /// are both lines, and no line of one looks like one of the other.
    pub(crate) fn next_event(&mut self) -> Option<SentEvent> {
        let (mut id, mut name, mut data) = (None, None, None);
        loop {
            let line = self.line().ok()?;
            if let Some(value) = line.strip_prefix("id: ") {
                id = value.parse().ok();
            } else if let Some(value) = line.strip_prefix("event: ") {
                name = Some(value.to_owned());
            } else if let Some(value) = line.strip_prefix("data: ") {
                data = serde_json::from_str(value).ok();
            } else if line == "0" {
                return None;
            }
            if let (Some(id), Some(name), Some(data)) = (id, &name, &data) {
                return Some(SentEvent { id, name: name.clone(), data: Value::clone(data) });
            }
        }
    }

    /// The next event of a stream without numbers: its name and data.
    pub(crate) fn next_unnumbered(&mut self) -> (String, Value) {
        let mut name = None;
        loop {
            let line = self.line().unwrap();
            if let Some(value) = line.strip_prefix("event: ") {
                name = Some(value.to_owned());
            } else if let (Some(name), Some(data)) = (&name, line.strip_prefix("data: ")) {
                return (name.clone(), serde_json::from_str(data).unwrap());
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The problem this is, checked for its form.
    pub(crate) fn problem(&self) -> Problem {
        let problem: Problem = serde_json::from_value(self.json()).unwrap();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(problem.status, self.status, "{self:?}");
        assert_eq!(problem.code.status(), self.status, "{self:?}");
        assert!(!problem.detail.is_empty(), "{self:?}");
        problem
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.problem().code
    }
}
