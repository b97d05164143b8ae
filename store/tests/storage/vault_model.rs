//! The vault against a model of maps.

use std::collections::BTreeMap;

use martlet_store::VaultTxn;
use martlet_store::vault::{Collection, Key};
use proptest::prelude::*;

use crate::disk::Disk;
use crate::fixture::*;

#[derive(Debug, Clone)]
enum Op {
    Put(At, u16),
    Delete(At),
    DeleteRange(Option<u8>, u64, u64),
    Commit,
    Abort,
    Reopen,
}

/// A key of one of the three collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Named(u8),
    Log(u64),
    Scoped(u8, u64),
}

type Model = BTreeMap<At, Record>;

fn with_key<T>(at: At, act: impl FnOnce(&'static Collection<Record>, Key<'_>) -> T) -> T {
    static COLLECTIONS: [Collection<Record>; 3] = [NAMED, LOG, SCOPED];
    match at {
        At::Named(name) => act(&COLLECTIONS[0], Key::Named(&[name])),
        At::Log(number) => act(&COLLECTIONS[1], Key::Ordinal(number)),
        At::Scoped(scope, number) => act(&COLLECTIONS[2], Key::Scoped(&[scope], number)),
    }
}

fn check(txn: &VaultTxn, model: &Model) {
    for (at, record) in model {
        let found = with_key(*at, |collection, key| txn.get(collection, key)).unwrap();
        assert_eq!(found.as_ref(), Some(record), "{at:?}");
    }
    let count = |wanted: fn(&At) -> bool| {
        u64::try_from(model.keys().filter(|at| wanted(at)).count()).unwrap()
    };
    assert_eq!(txn.count(&NAMED).unwrap(), count(|at| matches!(at, At::Named(_))));
    assert_eq!(txn.count(&LOG).unwrap(), count(|at| matches!(at, At::Log(_))));
    assert_eq!(txn.count(&SCOPED).unwrap(), count(|at| matches!(at, At::Scoped(..))));
    let mut named = txn.scan(&NAMED).unwrap();
    named.sort_unstable();
    let mut expected: Vec<Record> =
        model.iter().filter(|(at, _)| matches!(at, At::Named(_))).map(|(_, r)| r.clone()).collect();
    expected.sort_unstable();
    assert_eq!(named, expected);
    for (low, high, max) in [(0, u64::MAX, usize::MAX), (3, 9, 4), (9, 3, 4), (5, 5, 1), (0, 9, 0)]
    {
        let in_log: Vec<(u64, Record)> = model
            .iter()
            .filter_map(|(at, record)| match at {
                At::Log(number) if (low..=high).contains(number) => Some((*number, record.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(txn.count_range(&LOG, None, low..=high).unwrap(), in_log.len());
        let mut visited = Vec::new();
        txn.for_each_readable(&LOG, None, low..=high, |number, record| {
            visited.push((number, record.unwrap()));
            visited.len() < max
        })
        .unwrap();
        assert!(visited.iter().eq(in_log.iter().take(max.max(1))));
        check_range(in_log, max, |backwards| {
            let range = if backwards { VaultTxn::range_rev } else { VaultTxn::range };
            range(txn, &LOG, None, low..=high, max).unwrap()
        });
        for scope in 0..3u8 {
            let in_scope: Vec<(u64, Record)> = model
                .iter()
                .filter_map(|(at, record)| match at {
                    At::Scoped(s, n) if *s == scope && (low..=high).contains(n) => {
                        Some((*n, record.clone()))
                    }
                    _ => None,
                })
                .collect();
            check_range(in_scope, max, |backwards| {
                let range = if backwards { VaultTxn::range_rev } else { VaultTxn::range };
                range(txn, &SCOPED, Some(&[scope]), low..=high, max).unwrap()
            });
        }
    }
}

fn check_range(
    mut expected: Vec<(u64, Record)>,
    max: usize,
    range: impl Fn(bool) -> Vec<(u64, Record)>,
) {
    assert!(range(false).iter().eq(expected.iter().take(max)));
    expected.reverse();
    assert!(range(true).iter().eq(expected.iter().take(max)));
}

fn at() -> impl Strategy<Value = At> {
    prop_oneof![
        (0..10u8).prop_map(At::Named),
        (0..12u64).prop_map(At::Log),
        (0..3u8, 0..12u64).prop_map(|(scope, number)| At::Scoped(scope, number)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (at(), any::<u16>()).prop_map(|(at, value)| Op::Put(at, value)),
        4 => at().prop_map(Op::Delete),
        2 => (prop::option::of(0..3u8), 0..12u64, 0..12u64)
            .prop_map(|(scope, low, high)| Op::DeleteRange(scope, low, high)),
        2 => Just(Op::Commit),
        1 => Just(Op::Abort),
        1 => Just(Op::Reopen),
    ]
}

fn run(ops: &[Op]) {
    let disk = Disk::default();
    let open = || vault_on(&disk).unwrap();
    let mut vault = open();
    let mut committed = Model::new();
    let mut model = Model::new();
    let mut seed = 0;
    let mut txn = vault.begin([seed; 32]).unwrap();
    for (index, op) in ops.iter().enumerate() {
        match op {
            Op::Put(at, value) => {
                let record = (u64::from(*value), "v".repeat(usize::from(value % 700)));
                with_key(*at, |collection, key| txn.put(collection, key, &record)).unwrap();
                model.insert(*at, record);
            }
            Op::Delete(at) => {
                let was = with_key(*at, |collection, key| txn.delete(collection, key)).unwrap();
                assert_eq!(was, model.remove(at).is_some());
            }
            Op::DeleteRange(scope, low, high) => {
                let deleted = match scope {
                    None => txn.delete_range(&LOG, None, *low..=*high),
                    Some(scope) => txn.delete_range(&SCOPED, Some(&[*scope]), *low..=*high),
                };
                let before = model.len();
                model.retain(|at, _| match (at, scope) {
                    (At::Log(n), None) => !(low..=high).contains(&n),
                    (At::Scoped(s, n), Some(scope)) => s != scope || !(low..=high).contains(&n),
                    (At::Named(_) | At::Log(_) | At::Scoped(..), _) => true,
                });
                let gone = u64::try_from(before - model.len()).unwrap();
                assert_eq!(deleted.unwrap(), gone);
            }
            Op::Commit | Op::Abort | Op::Reopen => {
                if matches!(op, Op::Abort) {
                    drop(txn);
                    model = committed.clone();
                } else {
                    txn.commit().unwrap();
                    committed = model.clone();
                }
                if matches!(op, Op::Reopen) {
                    drop(vault);
                    vault = open();
                }
                seed = seed.wrapping_add(1);
                txn = vault.begin([seed; 32]).unwrap();
            }
        }
        // Not each time: what is looked up here would not be left for the operations to find.
        if index % 3 == 0 {
            check(&txn, &model);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_vault_does_what_the_model_does(ops in prop::collection::vec(op(), 1..60)) {
        run(&ops);
    }
}

#[test]
fn neither_names_nor_contents_are_in_the_file() {
    let disk = Disk::default();
    let vault = vault_on(&disk).unwrap();
    let mut txn = vault.begin([1; 32]).unwrap();
    let record = (7, "the secret text of a message".to_owned());
    txn.put(&NAMED, Key::Named(b"alice's identity"), &record).unwrap();
    txn.put(&SCOPED, Key::Scoped(b"alice's identity", 1), &record).unwrap();
    txn.commit().unwrap();
    drop(vault);
    let [file, keys] = disk.after_kill();
    for needle in [&b"secret text"[..], b"alice", master_key().as_bytes()] {
        for file in [&file, &keys] {
            assert!(!file.windows(needle.len()).any(|window| window == needle));
        }
    }
}
