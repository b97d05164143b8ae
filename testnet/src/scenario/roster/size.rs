//! How many nodes each group has.

use super::super::error::Fault;
use super::super::file;
use super::super::limits::{DEVICES_MAX, NODES_MAX, TABLES_MAX};

/// Of each table: how many people, or nodes without one. `total` counts each person once, whatever devices they have.
pub(super) fn counts(tables: &[file::Nodes], total: Option<usize>) -> Result<Vec<usize>, Fault> {
    if tables.is_empty() {
        return Err(Fault::new("nodes", "there are no nodes; add [[nodes]] with a name"));
    }
    if tables.len() > TABLES_MAX {
        let message = format!("there are more than {TABLES_MAX} [[nodes]]; use count = …");
        return Err(Fault::new("nodes", message));
    }
    let mut counts = Vec::with_capacity(tables.len());
    let mut sum = 0;
    for (index, table) in tables.iter().enumerate() {
        let count = table.count.unwrap_or(1);
        if !(1..=NODES_MAX).contains(&count) {
            let message = format!("{count} nodes are out of bounds; give 1 to {NODES_MAX}");
            return Err(Fault::new(format!("nodes[{index}].count"), message));
        }
        let devices = table.devices.unwrap_or(1);
        if !(1..=DEVICES_MAX).contains(&devices) {
            let message = format!("{devices} devices are out of bounds; give 1 to {DEVICES_MAX}");
            return Err(Fault::new(format!("nodes[{index}].devices"), message));
        }
        sum += count * devices;
        counts.push(count);
        if sum > NODES_MAX && total.is_none() {
            let message = format!("together there are {sum} nodes; have at most {NODES_MAX}");
            return Err(Fault::new(format!("nodes[{index}].count"), message));
        }
    }
    if let Some(total) = total {
        scale(&mut counts, total).map_err(|message| Fault::new("nodes", message))?;
        let of_people = counts.iter().zip(tables);
        let all: usize = of_people.map(|(count, table)| count * table.devices.unwrap_or(1)).sum();
        if all > NODES_MAX {
            let message = format!(
                "--nodes {total} with everyone's devices are {all} nodes; have at most {NODES_MAX}"
            );
            return Err(Fault::new("nodes", message));
        }
    }
    Ok(counts)
}

/// Makes groups of several larger or smaller, in proportion, until there are `total` nodes.
fn scale(counts: &mut [usize], total: usize) -> Result<(), String> {
    let single = counts.iter().filter(|count| **count == 1).count();
    let groups = counts.len() - single;
    let scaled: usize = counts.iter().filter(|count| **count > 1).sum();
    // Groups keep at least two: with one its name would change.
    let least = single + 2 * groups;
    if groups == 0 {
        return Err(format!(
            "--nodes {total} has no group to make larger or smaller; give one of them a count above 1"
        ));
    }
    if !(least..=NODES_MAX).contains(&total) {
        return Err(format!("--nodes {total} is out of bounds; give {least} to {NODES_MAX}"));
    }
    let mut before = 0;
    let mut given = 0;
    let mut left = groups;
    for count in counts.iter_mut().filter(|count| **count > 1) {
        before += *count;
        left -= 1;
        // Up to here in proportion, but at least two for this one and for each of the rest.
        let upto = (total - single) * before / scaled;
        let share = upto.saturating_sub(given).max(2).min(total - single - given - 2 * left);
        given += share;
        *count = share;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scaling_gives_what_was_asked_for(
            counts in proptest::collection::vec(1_usize..50, 1..8),
            total in 1_usize..2000,
        ) {
            let mut scaled = counts.clone();
            if scale(&mut scaled, total).is_ok() {
                prop_assert_eq!(scaled.iter().sum::<usize>(), total);
                for (before, after) in counts.iter().zip(&scaled) {
                    prop_assert_eq!(*before == 1, *after == 1);
                }
            }
        }
    }
}
