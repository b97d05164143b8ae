//! A user who comes to know many people.

use martlet_protocol::Id;
use martlet_protocol::RendezvousSecret;
use martlet_protocol::control::{Contact, ContactAdd};
use martlet_protocol::identity::RootKey;

use super::measure::{self, Figures};
use super::{GrowthCounts, pair};
use crate::bench::report::Stage;
use crate::cluster::{Cluster, ClusterError, Node};

/// Connections that add contacts at once, so that each commit has many.
const ADDERS: usize = 64;

/// The figures of each size. All contacts but one are never seen: no bundle of theirs comes.
pub(super) async fn run(
    cluster: &Cluster,
    counts: &GrowthCounts,
) -> Result<Vec<Stage>, ClusterError> {
    let (mut carol, dave) = pair(cluster, ["carol", "dave"], &[]).await?;
    let (mut known, mut sent, mut stages) = (1, 0, Vec::new());
    for size in counts.contacts {
        eprintln!("  {size} contacts …");
        add(&carol, known..*size).await?;
        known = *size;
        let mut figures = Figures::new();
        measure::sends(&mut figures, &carol, dave.name(), sent..sent + counts.timed_sends).await?;
        sent += counts.timed_sends;
        measure::pages(&mut figures, &carol, dave.name(), None).await?;
        measure::lists(&mut figures, &carol, &carol).await?;
        measure::restarts(&mut figures, &mut [&mut carol], &[&dave]).await?;
        stages.push(Stage { size: *size, figures });
    }
    Ok(stages)
}

/// Adds people whom nobody has met.
async fn add(to: &Node, numbers: std::ops::Range<usize>) -> Result<(), ClusterError> {
    let mut left = numbers.map(|number| {
        let mut rng = rand::rng();
        let identity = RootKey::generate(&mut rng).identity();
        let id = Id { identity, secret: RendezvousSecret::generate(&mut rng) };
        ContactAdd { id: id.to_string(), name: format!("someone {number}") }
    });
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let batch: Vec<ContactAdd> = left.by_ref().take(ADDERS).collect();
        if batch.is_empty() {
            return Ok(());
        }
        for add in batch {
            let client = to.client();
            tasks.spawn(async move { client.post::<_, Contact>("/v1/contacts", &add).await });
        }
        while let Some(added) = tasks.join_next().await {
            let added = added.map_err(|error| ClusterError::Wrong(error.to_string()))?;
            added.map_err(|source| to.error(source))?;
        }
    }
}
