//! Names that a user gives.

use martlet_protocol::limits::NAME_BYTES_MAX;

/// Why a text can't be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing in it but white space.
    #[error("a name that is empty")]
    Empty,
    /// Too long.
    #[error("a name longer than {NAME_BYTES_MAX} bytes")]
    TooLong,
    /// With control characters.
    #[error("a name with control characters")]
    Control,
    /// With a slash: names are parts of paths.
    #[error("a name with a '/'")]
    Slash,
}

/// A name without white space around it: 1 to 64 bytes, no control characters.
///
/// # Errors
/// [`NameError`].
pub fn clean_name(name: &str) -> Result<String, NameError> {
    let name = name.trim();
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name.len() > NAME_BYTES_MAX {
        Err(NameError::TooLong)
    } else if name.chars().any(char::is_control) {
        Err(NameError::Control)
    } else if name.contains('/') {
        Err(NameError::Slash)
    } else {
        Ok(name.to_owned())
    }
}
