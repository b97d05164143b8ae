//! What someone knows of a room who names these operations.

use super::bits::Bits;
use super::operation::Operation;
use super::set::OpSet;
use crate::ids::OpId;
use crate::message::in_room::HEAD_BYTES;

impl OpSet {
    /// Whether one is there whose id begins so.
    #[must_use]
    pub fn has_beginning(&self, beginning: &[u8; HEAD_BYTES]) -> bool {
        self.beginning(beginning).is_some()
    }

    /// Whether an operation is one of these, known by how their ids begin, or lies in the past of one.
    #[must_use]
    pub fn is_in_past_of(&self, id: &OpId, beginnings: &[[u8; HEAD_BYTES]]) -> bool {
        let mut ends = beginnings.iter().filter_map(|beginning| self.beginning(beginning));
        self.place(id).is_some_and(|place| {
            ends.any(|end| end == place || self.entries[end].past.contains(place))
        })
    }

    /// Whether an operation lies in the past of another; both are there.
    #[must_use]
    pub fn is_before(&self, id: &OpId, other: &OpId) -> bool {
        let places = self.place(id).zip(self.place(other));
        places.is_some_and(|(place, other)| self.entries[other].past.contains(place))
    }

    fn beginning(&self, beginning: &[u8; HEAD_BYTES]) -> Option<usize> {
        let mut first = [0; 32];
        first[..HEAD_BYTES].copy_from_slice(beginning);
        let (id, place) = self.places.range(OpId(first)..).next()?;
        id.0.starts_with(beginning).then_some(*place)
    }

    /// What is missing to whoever has these, of what lies in the past of those others and they themselves: oldest first.
    #[must_use]
    pub fn missing_up_to(&self, heads: &[OpId], up_to: &[OpId]) -> Vec<&Operation> {
        let mut told = Bits::default();
        for place in up_to.iter().filter_map(|id| self.place(id)) {
            told.insert(place);
            told.extend(&self.entries[place].past);
        }
        let mut missing = self.missing_to(heads);
        missing.retain(|op| self.place(&op.id()).is_some_and(|place| told.contains(place)));
        missing
    }
}
