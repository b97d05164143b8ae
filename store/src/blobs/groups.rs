//! Which groups of a blob there are.

/// Some of the groups of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSet {
    /// A bit for each, the first the lowest of the first byte.
    bits: Vec<u8>,
    groups: u32,
    count: u32,
}

impl GroupSet {
    /// None of so many.
    #[must_use]
    pub fn none_of(groups: u32) -> Self {
        let bytes = usize::try_from(groups.div_ceil(8)).unwrap_or(usize::MAX);
        Self { bits: vec![0; bytes], groups, count: 0 }
    }

    /// Those of so many that the bits say; `None` if there are bits of others.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], groups: u32) -> Option<Self> {
        let mut set = Self::none_of(groups);
        if set.bits.len() != bytes.len() {
            return None;
        }
        set.bits.copy_from_slice(bytes);
        set.count = bytes.iter().map(|byte| byte.count_ones()).sum();
        let are_there = (0..groups).filter(|group| set.contains(*group)).count();
        (u32::try_from(are_there) == Ok(set.count)).then_some(set)
    }

    /// The bits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bits
    }

    /// Adds one; whether it is new.
    pub fn insert(&mut self, group: u32) -> bool {
        if group >= self.groups || self.contains(group) {
            return false;
        }
        if let Some((byte, bit)) = self.place(group) {
            self.bits[byte] |= bit;
            self.count += 1;
        }
        true
    }

    /// Whether it is among them.
    #[must_use]
    pub fn contains(&self, group: u32) -> bool {
        self.place(group).is_some_and(|(byte, bit)| self.bits[byte] & bit != 0)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether there are all.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.count == self.groups
    }

    /// How many the blob has.
    #[must_use]
    pub fn of(&self) -> u32 {
        self.groups
    }

    fn place(&self, group: u32) -> Option<(usize, u8)> {
        let byte = usize::try_from(group / 8).ok()?;
        (group < self.groups && byte < self.bits.len()).then_some((byte, 1 << (group % 8)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_there_and_nothing_else() {
        let mut set = GroupSet::none_of(13);
        assert!(set.is_empty() && !set.is_whole());
        for group in [0, 7, 8, 12] {
            assert!(set.insert(group) && !set.insert(group));
        }
        assert!(!set.insert(13) && !set.contains(13) && !set.contains(1));
        assert_eq!((set.len(), set.of()), (4, 13));
        assert_eq!(GroupSet::from_bytes(set.as_bytes(), 13), Some(set.clone()));
        (0..13).for_each(|group| {
            set.insert(group);
        });
        assert!(set.is_whole());
    }

    #[test]
    fn bits_of_groups_that_there_are_not_make_no_set() {
        assert_eq!(GroupSet::from_bytes(&[0, 0b0010_0000], 13), None);
        assert_eq!(GroupSet::from_bytes(&[0], 13), None);
        assert_eq!(GroupSet::from_bytes(&[0, 0, 0], 13), None);
    }
}
