//! Messages handed to a program, one process for each, and what it prints sent back: `martletctl listen`.

mod cursor;
mod hook;

pub(crate) use cursor::{Cursor, CursorError, default_path};
pub(crate) use hook::{Hook, HookError};
