//! Names that a user gives.

use martlet_protocol::control::{ErrorCode, Problem};
use martlet_protocol::limits::NAME_BYTES_MAX;

/// A name without white space around it: 1 to 64 bytes, no control characters.
///
/// # Errors
/// `invalid-name`.
pub fn clean_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "it is longer than 64 bytes"
    } else if name.chars().any(char::is_control) {
        "it has control characters"
    } else if name.contains('/') {
        "it has a '/'"
    } else {
        return Ok(name.to_owned());
    };
    Err(Problem::new(ErrorCode::InvalidName, format!("this can't be a name: {reason}")))
}
