//! Questions about blobs.

use martlet_protocol::file::ask::{
    Commitment, Get, GetAnswer, Groups, Have, Put, PutAnswer, PutRefusal, Question, QuestionError,
    Release,
};
use martlet_protocol::limits::{BLOB_QUESTION_BYTES_MAX, FILE_BYTES_MAX};
use martlet_protocol::{AckSecret, BlobId, ExpiryHour, codec};
use proptest::prelude::*;

const ID: BlobId = BlobId([1; 32]);

pub(super) fn all() -> Vec<Question> {
    let groups = Groups::new([(0, 1), (3, 2)]).unwrap();
    vec![
        Question::Get(Get { id: ID, size: 1_000_000, groups }),
        Question::Have(Have { ids: vec![ID, BlobId([2; 32])] }),
        Question::Put(Put {
            id: ID,
            size: 65_536,
            expiry: ExpiryHour(500_000),
            releases: vec![Commitment([3; 16]), Commitment([4; 16])],
        }),
        Question::Release(Release { id: ID, slot: 1, secret: AckSecret([5; 16]) }),
    ]
}

/// As one who checks nothing asks it.
fn get(size: u64, groups: &[(u32, u32)]) -> Result<Question, QuestionError> {
    #[derive(serde::Serialize)]
    enum Unchecked {
        Get(Fields),
    }
    #[derive(serde::Serialize)]
    struct Fields {
        id: BlobId,
        size: u64,
        groups: Vec<(u32, u32)>,
    }
    let fields = Fields { id: ID, size, groups: groups.to_vec() };
    Question::decode(&codec::encode(&Unchecked::Get(fields)))
}

#[test]
fn questions_are_read_as_they_were_asked() {
    for question in all() {
        let bytes = question.encode();
        assert_eq!(Question::decode(&bytes).unwrap(), question);
        for len in 0..bytes.len() {
            assert!(Question::decode(&bytes[..len]).is_err());
        }
        assert!(Question::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn groups_that_are_not_there_or_not_in_order_are_refused() {
    assert!(get(1_000_000, &[(0, 16)]).is_ok());
    let too_many: Vec<_> = (0..257).map(|at| (2 * at, 1)).collect();
    assert!(get(1 << 30, &too_many[..256]).is_ok());
    for (size, groups) in [
        (1_000_000, &[][..]),
        (1_000_000, &[(0, 0)]),
        (1_000_000, &[(0, 17)]),
        (1_000_000, &[(16, 1)]),
        (1_000_000, &[(u32::MAX, 1)]),
        (1_000_000, &[(1, u32::MAX)]),
        (1_000_000, &[(0, 2), (1, 1)]),
        (1_000_000, &[(0, 2), (2, 1)]),
        (1_000_000, &[(3, 1), (0, 1)]),
        (1 << 30, &[(0, 1025)]),
        (1 << 30, &too_many),
    ] {
        assert!(matches!(get(size, groups), Err(QuestionError::Groups)), "{size}: {groups:?}");
    }
    for size in [0, 2 * FILE_BYTES_MAX, u64::MAX] {
        assert!(matches!(get(size, &[(0, 1)]), Err(QuestionError::Size { .. })), "{size}");
    }
}

#[test]
fn bounds_are_checked() {
    let have = |count| Question::Have(Have { ids: vec![ID; count] }).encode();
    assert!(Question::decode(&have(64)).is_ok());
    for count in [0, 65] {
        assert!(matches!(Question::decode(&have(count)), Err(QuestionError::Ids { .. })));
    }
    let put = |count| {
        let releases = vec![Commitment([3; 16]); count];
        Question::Put(Put { id: ID, size: 1, expiry: ExpiryHour(1), releases }).encode()
    };
    assert!(Question::decode(&put(8)).is_ok());
    for count in [0, 9] {
        assert!(matches!(Question::decode(&put(count)), Err(QuestionError::Slots { .. })));
    }
    let release = Question::Release(Release { id: ID, slot: 8, secret: AckSecret([5; 16]) });
    assert!(matches!(Question::decode(&release.encode()), Err(QuestionError::Slots { .. })));
    let long = Question::decode(&vec![0; BLOB_QUESTION_BYTES_MAX + 1]);
    assert!(matches!(long, Err(QuestionError::Codec(_))));
}

#[test]
fn answers_are_their_bytes() {
    for number in 0..=255 {
        if let Some(answer) = GetAnswer::from_number(number) {
            assert_eq!(answer.number(), number);
        }
        if let Some(answer) = PutAnswer::from_number(number) {
            assert_eq!(answer.number(), number);
        }
        if let Some(refusal) = PutRefusal::from_number(number) {
            assert_eq!(refusal.number(), number);
        }
    }
    let puts = (0..=255).filter_map(PutAnswer::from_number).count();
    let refusals = (0..=255).filter_map(PutRefusal::from_number).count();
    assert_eq!((puts, refusals), (6, 5));
    assert_eq!(GetAnswer::from_number(3), Some(GetAnswer::Only));
    assert_eq!(PutAnswer::from_number(5), Some(PutAnswer::Kept));
}

proptest! {
    #[test]
    fn what_is_joined_asks_for_the_same_and_is_taken(
        picked in prop::collection::btree_set(0..400u32, 1..200),
    ) {
        let groups = Groups::new(picked.iter().map(|group| (*group, 1))).unwrap();
        let asked: Vec<u32> = groups.ranges().flat_map(|(first, count)| first..first + count).collect();
        prop_assert_eq!(groups.count(), picked.len() as u64);
        prop_assert_eq!(asked, picked.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(Groups::decode(&groups.encode(), 400 * 65_536).unwrap(), groups);
    }
}
