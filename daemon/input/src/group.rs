//! The processes of a program.

use rustix::process::{Pid, Signal, kill_process_group};

/// The processes of a program that was started as the first of a group of its own (`process_group(0)`), and of all that it starts
/// in turn, unless that leaves the group. They are killed when this is dropped.
#[derive(Debug)]
pub struct Group(Option<Pid>);

impl Group {
    /// That of the program with this process id, which was not waited for yet: until then its number is nobody else's. `None` is of
    /// none: it has ended already.
    #[must_use]
    pub fn of(process: Option<u32>) -> Self {
        Self(process.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// It has ended as it should: what it leaves goes on.
    pub fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // None may be left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
