//! Where a database's bytes are, if not in a file.

use std::fmt;
use std::io;
use std::sync::Arc;

use redb::StorageBackend;

/// A backend that outlives the database opened on it.
#[derive(Clone)]
pub(crate) struct SharedBackend(Arc<dyn StorageBackend>);

impl SharedBackend {
    /// Shares `backend`.
    pub(crate) fn new(backend: impl StorageBackend) -> Self {
        Self(Arc::new(backend))
    }
}

impl fmt::Debug for SharedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All but `close`, which would end the backend for those who open it again.
impl StorageBackend for SharedBackend {
    fn len(&self) -> Result<u64, io::Error> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.0.write(offset, data)
    }
}
