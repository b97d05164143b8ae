//! The text of a message, as a verb is given it.

use std::io::{Read, stdin};

use martlet_protocol::control::{ErrorCode, Problem};
use martlet_protocol::limits::TEXT_BYTES_MAX;

use crate::client::ClientError;
use crate::exit::Failure;

/// The argument, or standard input where it is `-`.
pub(super) fn given(argument: String) -> Result<String, Failure> {
    if argument == "-" { text_from(stdin().lock()) } else { Ok(argument) }
}

/// All of standard input, without one line end at its end.
fn text_from(input: impl Read) -> Result<String, Failure> {
    // Two bytes more: a line end, or what shows that it is too long.
    let bytes_max = TEXT_BYTES_MAX + 2;
    let mut bytes = Vec::with_capacity(bytes_max + 1);
    input
        .take(u64::try_from(bytes_max + 1).unwrap_or(u64::MAX))
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::Usage(format!("cannot read standard input: {error}")))?;
    let text = match bytes.as_slice() {
        [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => text,
        text => text,
    };
    if text.len() > TEXT_BYTES_MAX {
        return Err(Failure::Client(ClientError::Problem(Problem::new(
            ErrorCode::TextTooLong,
            format!("the text is too long: a message has at most {TEXT_BYTES_MAX} bytes"),
        ))));
    }
    String::from_utf8(text.to_vec())
        .map_err(|_| Failure::Usage("standard input is not UTF-8 text".to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn one_line_end_is_cut_from_standard_input() {
        let text = |bytes: &[u8]| text_from(bytes).unwrap();
        assert_eq!(text(b"hello\n"), "hello");
        assert_eq!(text(b"hello\r\n"), "hello");
        assert_eq!(text(b"hello\n\n"), "hello\n");
        assert_eq!(text(b"hello"), "hello");
        assert_eq!(text(b""), "");
    }

    #[test]
    fn standard_input_is_bounded() {
        let longest = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(text_from(format!("{longest}\r\n").as_bytes()).unwrap(), longest);
        for end in ["x", "xx", "\n\n", "xxxxxxxx\n"] {
            let failure = text_from(format!("{longest}{end}").as_bytes()).unwrap_err();
            assert!(failure.to_string().contains("16384"), "{failure}");
        }
        assert!(text_from(std::io::repeat(b'x')).is_err());
        assert!(text_from(&b"\xff"[..]).is_err());
    }
}
