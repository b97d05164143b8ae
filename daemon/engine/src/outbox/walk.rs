//! Walks over what may be the whole outbox: counted in tests. What is done for each message, report and tick walks over nothing that grows
//! with what waits.

/// What is looked at one by one.
pub(super) fn walked<T>(all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    #[cfg(test)]
    let all = all.inspect(|_| steps::count());
    all
}

#[cfg(test)]
impl super::Outbox {
    /// For whom there is something.
    pub(crate) fn recipients(&self) -> impl Iterator<Item = &martlet_protocol::IdentityId> {
        self.lines.keys()
    }
}

#[cfg(test)]
pub(crate) mod steps {
    use std::cell::Cell;

    thread_local! {
        static STEPS: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn count() {
        STEPS.set(STEPS.get() + 1);
    }

    /// Those of this thread until now.
    pub(crate) fn taken() -> u64 {
        STEPS.get()
    }
}
