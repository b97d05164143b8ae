//! Bytes of one width, as keys and values of tables.

use std::cmp::Ordering;

use redb::TypeName;

/// Exactly `N` bytes, as key or value. Not redb's own `[u8; N]`, so that rows of all widths are
/// byte slices to the code above; fixed widths, because they make pages denser and their updates
/// much cheaper.
#[derive(Debug)]
pub struct Bytes<const N: usize>;

impl<const N: usize> redb::Value for Bytes<N> {
    type SelfType<'a> = &'a [u8];
    type AsBytes<'a> = &'a [u8];

    fn fixed_width() -> Option<usize> {
        Some(N)
    }

    fn from_bytes<'a>(data: &'a [u8]) -> &'a [u8]
    where
        Self: 'a,
    {
        data
    }

    fn as_bytes<'a, 'b: 'a>(value: &'a &'b [u8]) -> &'a [u8]
    where
        Self: 'b,
    {
        value
    }

    fn type_name() -> TypeName {
        TypeName::new(&format!("martlet::Bytes<{N}>"))
    }
}

impl<const N: usize> redb::Key for Bytes<N> {
    fn compare(left: &[u8], right: &[u8]) -> Ordering {
        left.cmp(right)
    }
}
