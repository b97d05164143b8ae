//! Scenarios that come with the program.

/// A scenario that comes with the program.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// By what it is found.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

impl Ready {
    /// What errors call it.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}.toml", self.name)
    }
}

macro_rules! ready {
    ($($name:literal),+ $(,)?) => {
        &[$(Ready {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/", $name, ".toml")),
        }),+]
    };
}

/// All of them, from simple to large.
pub const READY: &[Ready] = ready!(
    "first-contact",
    "offline-five-days",
    "split-and-heal",
    "churn",
    "six-day-expiry",
    "six-day-network",
    "hostile-flood",
    "thin-link",
    "clock-skew",
    "flash-crowd",
    "who-wrote",
    "several-devices",
    "split-room",
    "removed",
    "ship",
    "photo-evening",
    "big-file-over-thin-link",
    "thousand-nodes",
);
