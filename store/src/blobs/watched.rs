//! Reading that can be ended: a blob of 5 GiB is read for seconds, and nobody waits for that who wants it no more.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

use martlet_protocol::BlobId;
use martlet_protocol::file::ask::Groups;
use martlet_protocol::file::blob::{self, BlobError};

use super::{BlobDirError, GroupSet, IsOver};

/// Reads until it is to end.
pub(super) struct Watched<'a, R> {
    from: R,
    is_over: IsOver<'a>,
}

/// Why reading ended before there was nothing left.
#[derive(Debug)]
pub(super) struct Ended;

impl<'a, R> Watched<'a, R> {
    pub(super) fn new(from: R, is_over: IsOver<'a>) -> Self {
        Self { from, is_over }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.is_over)() {
            true => Err(io::Error::other(Ended)),
            false => self.from.read(buffer),
        }
    }
}

/// Which groups of a blob are what its id says, as the disk has them and what proves them.
pub(super) fn proved(
    (id, size): (&BlobId, u64),
    (part, tree): (&File, &File),
    is_over: IsOver<'_>,
) -> Result<GroupSet, BlobDirError> {
    let mut proved = GroupSet::none_of(blob::groups(size));
    for group in 0..proved.of() {
        if is_over() {
            return Err(BlobDirError::Ended);
        }
        let Ok(one) = Groups::new([(group, 1)]) else { continue };
        match blob::send(id, size, &one, part, tree, io::sink()) {
            Ok(()) => {
                proved.insert(group);
            }
            Err(BlobError::False { .. }) => {}
            Err(BlobError::Io(error)) => return Err(error.into()),
        }
    }
    Ok(proved)
}

impl Ended {
    pub(super) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was ended")
    }
}

impl std::error::Error for Ended {}
