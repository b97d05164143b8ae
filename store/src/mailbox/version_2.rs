//! From version 1 of the mailbox's layout: what was found by id and by tag in tables is found in
//! memory now.
//!
//! | table of version 1 | key | value |
//! | --- | --- | --- |
//! | `ids` | id | live 0, purged 1 or dropped 2; arrival 8; from there as in `states` |
//! | `tags` | tag, arrival | |
//! | `buckets` | shard, expiry hour, arrival | id |

use martlet_protocol::{EnvelopeId, Header};
use redb::{ReadableTable, WriteTransaction};

use super::index::Prefix;
use super::row::{self, Entry};
use super::tables::{LOG, MEMBERS, STATES};
use crate::error::StoreError;
use crate::layer::Definition;

const IDS: Definition<32, Vec<u8>> = Definition::<32, Vec<u8>>::new("ids");
const TAGS: Definition<24, [u8; 0]> = Definition::<24, [u8; 0]>::new("tags");
const BUCKETS: Definition<14, [u8; 32]> = Definition::<14, [u8; 32]>::new("buckets");

/// Number of a live envelope and its arrival: without acks it has no state.
const LIVE_BYTES: usize = 9;

/// Brings a mailbox of version 1 to version 2.
pub(super) fn migrate(transaction: &WriteTransaction) -> Result<(), StoreError> {
    states(transaction)?;
    members(transaction)?;
    transaction.delete_table(IDS).map_err(StoreError::failed)?;
    transaction.delete_table(TAGS).map_err(StoreError::failed)?;
    transaction.delete_table(BUCKETS).map_err(StoreError::failed)?;
    Ok(())
}

fn states(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let ids = transaction.open_table(IDS).map_err(StoreError::failed)?;
    let states = Definition::<8, Vec<u8>>::new(STATES);
    let mut states = transaction.open_table(states).map_err(StoreError::failed)?;
    for row in ids.iter().map_err(StoreError::failed)? {
        let (id, value) = row.map_err(StoreError::failed)?;
        let value = value.value();
        if value.len() == LIVE_BYTES && value.first() == Some(&0) {
            continue;
        }
        let (number, rest) = value.split_first().ok_or(StoreError::Record { table: "ids" })?;
        let (arrival, rest) =
            rest.split_first_chunk::<8>().ok_or(StoreError::Record { table: "ids" })?;
        let state = [&[*number][..], id.value(), rest].concat();
        states.insert(&arrival[..], state.as_slice()).map_err(StoreError::failed)?;
    }
    Ok(())
}

fn members(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let log = Definition::<8, Vec<u8>>::new(LOG);
    let log = transaction.open_table(log).map_err(StoreError::failed)?;
    let buckets = transaction.open_table(BUCKETS).map_err(StoreError::failed)?;
    let members = Definition::<14, [u8; 40]>::new(MEMBERS);
    let mut members = transaction.open_table(members).map_err(StoreError::failed)?;
    for row in buckets.iter().map_err(StoreError::failed)? {
        let (key, id) = row.map_err(StoreError::failed)?;
        let unreadable = || StoreError::Record { table: LOG };
        let arrival = row::arrival_of(key.value()).ok_or_else(unreadable)?;
        let entry = log.get(&row::log_key(arrival)[..]).map_err(StoreError::failed)?;
        let entry = entry.ok_or_else(unreadable)?;
        let content = Entry::decode(entry.value()).ok_or_else(unreadable)?.content;
        let header = Header::parse(content).map_err(|_| unreadable())?;
        let tag = header.tag(content).map(|tag| Prefix::of_tag(&tag));
        let id = EnvelopeId::from_slice(id.value())
            .map_err(|_| StoreError::Record { table: "buckets" })?;
        members
            .insert(key.value(), &row::encode_member(&id, tag)[..])
            .map_err(StoreError::failed)?;
    }
    Ok(())
}
