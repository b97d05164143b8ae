//! Which providers of a shard are kept, where there are more than are told of.
//!
//! [`MemoryStore`] keeps the first that come and ignores the others, and who comes refreshes its place: of a shard with 200
//! keepers the same 20 would be found on every server of the table, for ever, and one behind a NAT that came later by
//! nobody. So half of the places are for who came first, and who finds all taken takes one of the others, by chance. Who
//! floods the table under many names has these, and not the first half.

use libp2p::PeerId;
use libp2p::kad::ProviderRecord;
use libp2p::kad::store::{MemoryStore, RecordStore};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::limits::PROVIDERS_PER_SHARD_MAX;

/// Places for who came first.
const FIRST: usize = PROVIDERS_PER_SHARD_MAX / 2;

/// Keeps a record, in the place of another if need be; not of one of this node's own, `local`.
///
/// # Errors
///
/// The store's.
pub(in crate::net) fn keep(
    store: &mut MemoryStore,
    record: ProviderRecord,
    local: &PeerId,
    chance: &mut impl Rng,
) -> Result<(), libp2p::kad::store::Error> {
    let kept = store.providers(&record.key);
    let is_known = kept.iter().any(|other| other.provider == record.provider);
    if kept.len() >= PROVIDERS_PER_SHARD_MAX && !is_known {
        let later: Vec<PeerId> = kept
            .iter()
            .skip(FIRST)
            .map(|other| other.provider)
            .filter(|provider| provider != local)
            .collect();
        if let Some(place) = later.choose(chance) {
            store.remove_provider(&record.key, place);
        }
    }
    store.add_provider(record)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::{BTreeSet, HashSet};

    use libp2p::kad::RecordKey;
    use libp2p::kad::store::MemoryStoreConfig;
    use rand::SeedableRng;
    use rand::seq::SliceRandom;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Servers that keep the records of a key: those nearest to it, `kad::K_VALUE`.
    const SERVERS: usize = 20;

    fn store(local: PeerId) -> MemoryStore {
        let config = MemoryStoreConfig {
            max_providers_per_key: PROVIDERS_PER_SHARD_MAX,
            ..MemoryStoreConfig::default()
        };
        MemoryStore::with_config(local, config)
    }

    fn told(store: &MemoryStore, key: &RecordKey) -> Vec<PeerId> {
        store.providers(key).iter().map(|record| record.provider).collect()
    }

    /// Two hundred keepers of one shard, most of them behind NATs, each telling the servers every ten minutes: only the 20
    /// that were first were ever found.
    #[test]
    fn of_200_keepers_of_a_shard_nearly_all_are_found_within_an_hour_and_the_first_stay() {
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let key = RecordKey::new(b"a shard");
        let keepers: Vec<PeerId> = (0..200).map(|_| PeerId::random()).collect();
        let mut servers: Vec<(PeerId, MemoryStore)> =
            (0..SERVERS).map(|_| PeerId::random()).map(|server| (server, store(server))).collect();
        let mut in_one_lookup = Vec::new();
        let mut ever: HashSet<PeerId> = HashSet::new();
        // Ten minutes each: an hour after the first.
        for round in 0..7 {
            let mut order = keepers.clone();
            if round > 0 {
                order.shuffle(&mut chance);
            }
            for minute in order.chunks(20) {
                for keeper in minute {
                    for (server, store) in &mut servers {
                        let record = ProviderRecord::new(key.clone(), *keeper, Vec::new());
                        keep(store, record, server, &mut chance).unwrap();
                    }
                }
                if round > 0 {
                    // A look-up asks all servers.
                    let found: HashSet<PeerId> =
                        servers.iter().flat_map(|(_, store)| told(store, &key)).collect();
                    in_one_lookup.push(found.len());
                    ever.extend(found);
                }
            }
        }
        for (_, store) in &servers {
            let kept = told(store, &key);
            assert_eq!(kept.len(), PROVIDERS_PER_SHARD_MAX);
            assert_eq!(&kept[..FIRST], &keepers[..FIRST]);
        }
        // With the store alone: 20 each time, and 20 ever. In five runs: 38 and more, 45 on average, and 200 ever.
        assert!(in_one_lookup.iter().all(|found| *found >= 30), "{in_one_lookup:?}");
        assert!(ever.len() >= 195, "{} of 200 were found within an hour", ever.len());
    }

    #[test]
    fn who_floods_under_many_names_does_not_get_the_places_of_the_first_nor_the_nodes_own() {
        let mut chance = ChaCha8Rng::seed_from_u64(2);
        let local = PeerId::random();
        let mut store = store(local);
        let key = RecordKey::new(b"a shard");
        let mut add = |store: &mut MemoryStore, provider: PeerId| {
            keep(
                store,
                ProviderRecord::new(key.clone(), provider, Vec::new()),
                &local,
                &mut chance,
            )
            .unwrap();
        };
        let honest: Vec<PeerId> =
            (0..PROVIDERS_PER_SHARD_MAX - 1).map(|_| PeerId::random()).collect();
        for provider in &honest {
            add(&mut store, *provider);
        }
        add(&mut store, local);
        for _ in 0..1000 {
            add(&mut store, PeerId::random());
        }
        let kept = told(&store, &key);
        let first: BTreeSet<_> = honest[..FIRST].iter().collect();
        assert_eq!(kept[..FIRST].iter().collect::<BTreeSet<_>>(), first);
        assert!(kept.contains(&local) && kept.len() == PROVIDERS_PER_SHARD_MAX);
        // Who is there is refreshed in its place.
        add(&mut store, honest[0]);
        assert_eq!(told(&store, &key), kept);
    }
}
