//! Golden vectors: `tests/vectors/*.txt`, one `name = hexadecimal` a line, `#` for comments.
//!
//! They fix the format: a change that breaks one breaks talking to, or reading the files of, an
//! older build. To add one, add it to its test and run the tests once with
//! `MARTLET_WRITE_VECTORS=1`; lines that were there must not change.

use std::fmt::Write;
use std::path::PathBuf;

/// Compares `entries` with the file, in order. `how` is the file's opening comment.
pub(crate) fn check(file: &str, how: &str, entries: &[(&str, Vec<u8>)]) {
    let path = path(file);
    let text = render(how, entries);
    if std::env::var_os("MARTLET_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (line, (found, expected)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(found, expected, "{}, line {}", path.display(), line + 1);
    }
    assert_eq!(text, golden, "{} has more or fewer vectors than the test", path.display());
}

/// The bytes recorded as `name`.
pub(crate) fn read(file: &str, name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(path(file)).unwrap();
    let hex = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn render(how: &str, entries: &[(&str, Vec<u8>)]) -> String {
    let mut text = String::new();
    for line in how.lines() {
        writeln!(text, "# {}", line.trim()).unwrap();
    }
    for (name, bytes) in entries {
        writeln!(text, "{name} = {}", hex(bytes)).unwrap();
    }
    text
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file)
}
