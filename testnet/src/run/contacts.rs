//! Users, and who of them are contacts of each other.

use std::time::Duration;

use futures::future::try_join_all;
use futures::stream::{StreamExt, TryStreamExt, iter};
use martlet_protocol::control::{
    Contact, ContactAdd, ErrorCode, Identity, InitRequest, InitResponse,
};
use martletctl::client::{Client, ClientError};

use super::stage::Stage;
use super::{Diary, Hosts, RunError};
use crate::cluster::ClusterError;
use crate::plan::{ContactPlan, NodeIndex, NodePlan};

/// Daemons asked at the same time while the network is made.
const AT_ONCE: usize = 16;
/// Wait before a contact is added again where the daemon was just going.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Gives each of `nodes` that should have a user one, unless it has one already.
pub(super) async fn make_users(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    nodes: &[NodeIndex],
) -> Result<(), RunError> {
    let users = nodes.iter().filter(|node| stage.node(**node).is_some_and(|node| node.user));
    let made = iter(users).map(|node| make_user(stage, hosts, *node)).buffer_unordered(AT_ONCE);
    made.try_collect::<()>().await
}

/// Gives a node its user, unless it has one already.
pub(super) async fn make_user(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    node: NodeIndex,
) -> Result<(), RunError> {
    let is_first = |node: &NodePlan| node.user && node.device_of.is_none();
    if stage.id(node).is_some() || !stage.node(node).is_some_and(is_first) {
        return Ok(());
    }
    let client = Client::new(hosts.socket(node)?);
    let request = InitRequest { name: Some(stage.name(node).to_owned()), passphrase: None };
    let made = match client.post::<_, InitResponse>("/v1/identity", &request).await {
        Ok(made) => Ok(made.id),
        // It was killed after it had made it, and before it could say so.
        Err(ClientError::Problem(problem)) if problem.code == ErrorCode::IdentityExists => {
            client.get::<Identity>("/v1/identity").await.map(|identity| identity.id)
        }
        Err(error) => Err(error),
    };
    let id =
        made.map_err(|source| ClusterError::Client { node: stage.name(node).into(), source })?;
    stage.set_id(node, id);
    Ok(())
}

/// Makes the contacts of the start between those who are there.
pub(super) async fn make_first_ones(stage: &Stage<'_>, hosts: &impl Hosts) -> Result<(), RunError> {
    let clients: Vec<Client> = clients(stage, hosts)?;
    let halves = stage.plan.contacts.iter().filter(|contact| is_first(stage, contact));
    let added = iter(halves.flat_map(both)).map(|(who, whom)| {
        let clients = &clients;
        async move {
            let (Some(client), Some(id)) = (clients.get(who), stage.id(whom)) else {
                return Err(RunError::NoNode { node: who });
            };
            add(stage, client, who, whom, id).await.map_err(|source| {
                RunError::from(ClusterError::Client { node: stage.name(who).into(), source })
            })
        }
    });
    added.buffer_unordered(AT_ONCE).try_collect::<()>().await
}

/// Makes all other contacts, each once it is time and both are there; then waits for ever.
pub(super) async fn make_later_ones(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    diary: &Diary<'_>,
) -> Result<(), RunError> {
    let clients: Vec<Client> = clients(stage, hosts)?;
    let later = stage.plan.contacts.iter().filter(|contact| !is_first(stage, contact));
    let adding = later.flat_map(|contact| both(contact).map(|half| (contact.at, half)));
    try_join_all(adding.map(|(at, (who, whom))| {
        let clients = &clients;
        async move {
            diary.sleep_until(at).await;
            let client = clients.get(who).ok_or(RunError::NoNode { node: who })?;
            loop {
                let id = stage.until_id(whom).await;
                stage.until_id(who).await;
                stage.until_on(who).await;
                match add(stage, client, who, whom, id).await {
                    Ok(()) => return Ok::<_, RunError>(()),
                    Err(_) if !stage.is_on(who) => {}
                    // About to stop, to start, or to be killed; or its disk is full.
                    Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
                }
            }
        }
    }))
    .await?;
    std::future::pending().await
}

async fn add(
    stage: &Stage<'_>,
    client: &Client,
    who: NodeIndex,
    whom: NodeIndex,
    id: String,
) -> Result<(), ClientError> {
    let request = ContactAdd { id, name: stage.name(whom).to_owned() };
    match client.post::<_, Contact>("/v1/contacts", &request).await {
        Ok(_) => {}
        // By an attempt whose answer was lost.
        Err(ClientError::Problem(problem)) if problem.code == ErrorCode::AlreadyContact => {}
        Err(error) => return Err(error),
    }
    stage.add_contact(who, whom);
    Ok(())
}

fn both(contact: &ContactPlan) -> [(NodeIndex, NodeIndex); 2] {
    [(contact.a, contact.b), (contact.b, contact.a)]
}

/// Whether two become contacts before the run begins.
fn is_first(stage: &Stage<'_>, contact: &ContactPlan) -> bool {
    contact.at.is_zero() && [contact.a, contact.b].into_iter().all(|node| stage.id(node).is_some())
}

/// A client for each node: requests over one client wait for each other.
pub(super) fn clients(stage: &Stage<'_>, hosts: &impl Hosts) -> Result<Vec<Client>, RunError> {
    let nodes = 0..stage.plan.nodes.len();
    Ok(nodes.map(|node| hosts.socket(node).map(Client::new)).collect::<Result<_, _>>()?)
}
