//! Contents of envelopes that the mailboxes of one process have in common: for simulations, where each of
//! a thousand mailboxes would keep its own copy of each.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use martlet_protocol::{Envelope, EnvelopeId};

/// The contents of envelopes by id, which is a hash of them. A clone is the same place. What was kept stays until the
/// last clone is gone: a run of a simulation knows no more envelopes than its nodes wrote.
#[derive(Clone, Default)]
pub struct SharedContents(Arc<Mutex<HashMap<EnvelopeId, Arc<[u8]>>>>);

impl SharedContents {
    pub(super) fn keep(&self, id: &EnvelopeId, envelope: &Envelope) {
        self.lock().entry(*id).or_insert_with(|| Arc::clone(&envelope.content));
    }

    pub(super) fn get(&self, id: &EnvelopeId) -> Option<Arc<[u8]>> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EnvelopeId, Arc<[u8]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedContents").field("envelopes", &self.lock().len()).finish()
    }
}

/// The content of an envelope, wherever it is.
#[derive(Debug)]
pub(super) enum Content<'a> {
    /// In the envelope's row.
    Row(&'a [u8]),
    /// Among the shared ones.
    Shared(Arc<[u8]>),
}

impl Content<'_> {
    pub(super) fn to_shared(&self) -> Arc<[u8]> {
        match self {
            Self::Row(bytes) => Arc::from(*bytes),
            Self::Shared(bytes) => Arc::clone(bytes),
        }
    }
}

impl Deref for Content<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Row(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}
