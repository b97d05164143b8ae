//! Kubernetes: a StatefulSet for each role, whose pods have lasting names through a headless
//! Service, and a Job that runs `drive`.

mod workload;

use martlet_protocol::control::Role;

use super::yaml::{Value, list, map, map_of, text};
use super::{ExportError, ExportOptions, File, Source, files, settings};
use crate::plan::Plan;

/// The headless Service, and the pods' domain.
const SERVICE: &str = "nodes";
/// Bytes of configuration in one ConfigMap; 1 MiB is refused.
const CONFIG_MAP_BYTES_MAX: usize = 512 * 1024;
/// The roles, in the order of their StatefulSets.
const ROLES: [Role; 3] = [Role::Full, Role::Edge, Role::Mailbox];
/// Characters of a namespace's name (RFC 1123).
const NAME_CHARS_MAX: usize = 63;

/// What all manifests share.
struct Set<'a> {
    plan: &'a Plan,
    source: &'a Source,
    options: &'a ExportOptions,
    namespace: String,
    /// Each node's pod.
    pods: Vec<String>,
}

pub(super) fn files(
    plan: &Plan,
    source: &Source,
    options: &ExportOptions,
    warnings: &[String],
) -> Result<Vec<File>, ExportError> {
    let set = Set { plan, source, options, namespace: namespace(plan), pods: pods(plan) };
    let configs = set.node_configs()?;
    let config_names: Vec<String> =
        (0..configs.len()).map(|index| format!("nodes-{index}")).collect();
    let config_maps = config_names.iter().zip(&configs);
    let config_maps: Vec<Value> =
        config_maps.map(|(name, data)| set.config_map(name, data.clone())).collect();
    let workloads: Vec<Value> = ROLES
        .iter()
        .map(|role| (role, plan.nodes.iter().filter(|node| node.role == *role).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(role, count)| workload::stateful_set(&set, *role, count, &config_names))
        .collect();
    let manifests = [
        ("namespace.yaml", vec![set.object("v1", "Namespace", None, [])]),
        ("scenario.yaml", vec![set.scenario()]),
        ("configuration.yaml", config_maps),
        ("network.yaml", vec![set.service(), set.network_policy()]),
        ("nodes.yaml", workloads),
        ("drive.yaml", vec![workload::job(&set)]),
    ];
    let kustomization = map([
        ("apiVersion", "kustomize.config.k8s.io/v1beta1".into()),
        ("kind", "Kustomization".into()),
        ("resources", list(manifests.iter().map(|(path, _)| *path))),
    ]);
    let comment = format!(
        "Scenario {}: see README.md. Written by martlet-testnet export kubernetes.",
        plan.name
    );
    let mut made = files::scenario(plan, source);
    for (path, documents) in &manifests {
        made.push(File::new(*path, text(&comment, documents)?));
    }
    made.push(File::new("kustomization.yaml", text(&comment, &[kustomization])?));
    let readme = format!(
        include_str!("kubernetes.md"),
        name = plan.name,
        nodes = plan.nodes.len(),
        minutes = plan.duration.as_secs().div_ceil(60),
        namespace = set.namespace,
        image = options.image,
        port = crate::agent::PORT,
        left_out = super::as_list(warnings),
    );
    made.push(File::new("README.md", readme));
    Ok(made)
}

impl Set<'_> {
    /// An object of this namespace.
    fn object<const N: usize>(
        &self,
        version: &str,
        kind: &str,
        name: Option<&str>,
        rest: [(&str, Value); N],
    ) -> Value {
        let metadata = match name {
            Some(name) => vec![("name", name), ("namespace", self.namespace.as_str())],
            None => vec![("name", self.namespace.as_str())],
        };
        let labels = map([("app.kubernetes.io/part-of", "martlet-testnet".into())]);
        let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value.into()));
        let metadata = metadata.chain(std::iter::once(("labels".to_owned(), labels)));
        let head =
            [("apiVersion", version.into()), ("kind", kind.into()), ("metadata", map_of(metadata))];
        map_of(head.into_iter().chain(rest).map(|(key, value)| (key.to_owned(), value)))
    }

    fn config_map(&self, name: &str, data: Vec<(String, String)>) -> Value {
        let data = map_of(data.into_iter().map(|(key, text)| (key, text.into())));
        self.object("v1", "ConfigMap", Some(name), [("data", data)])
    }

    /// The scenario and the list of agents: what `drive` reads.
    fn scenario(&self) -> Value {
        let nodes = self.plan.nodes.iter().map(|node| node.name.clone());
        let agents = super::agents_file(nodes.zip(self.hosts()));
        let mut data = vec![("agents.txt".to_owned(), agents)];
        data.extend(
            files::scenario(self.plan, self.source).into_iter().map(|file| (file.path, file.text)),
        );
        self.config_map("scenario", data)
    }

    /// The nodes' configurations and the network's descriptor, in parts that each fit a ConfigMap.
    fn node_configs(&self) -> Result<Vec<Vec<(String, String)>>, ExportError> {
        let hosts: Vec<String> = self.hosts().collect();
        let mut parts = vec![vec![("network.toml".to_owned(), settings::network(self.plan)?)]];
        let mut bytes = 0;
        for (node, pod) in self.pods.iter().enumerate() {
            let config = settings::daemon(self.plan, node, &hosts)?;
            bytes += config.len();
            if bytes > CONFIG_MAP_BYTES_MAX {
                bytes = config.len();
                parts.push(Vec::new());
            }
            if let Some(part) = parts.last_mut() {
                part.push((format!("{pod}.toml"), config));
            }
        }
        Ok(parts)
    }

    /// The pods' names on the cluster's network.
    fn hosts(&self) -> impl Iterator<Item = String> {
        let domain = format!("{SERVICE}.{}.svc.cluster.local", self.namespace);
        self.pods.iter().map(move |pod| format!("{pod}.{domain}"))
    }

    /// Gives pods names. Also those of pods that aren't ready: a node that is off is started by its
    /// agent.
    fn service(&self) -> Value {
        let port = |name: &str, port: u16, protocol: &str| {
            map([("name", name.into()), ("port", port.into()), ("protocol", protocol.into())])
        };
        let spec = map([
            ("clusterIP", "None".into()),
            ("publishNotReadyAddresses", true.into()),
            ("selector", workload::node_labels()),
            (
                "ports",
                list([
                    port("agent", crate::agent::PORT, "TCP"),
                    port("martlet-tcp", super::DAEMON_PORT, "TCP"),
                    port("martlet-quic", super::DAEMON_PORT, "UDP"),
                ]),
            ),
        ]);
        self.object("v1", "Service", Some(SERVICE), [("spec", spec)])
    }

    /// Who reaches an agent has its node: nobody from outside of the namespace does.
    fn network_policy(&self) -> Value {
        let everyone_here = map([("podSelector", map([]))]);
        let spec = map([
            ("podSelector", map([])),
            ("policyTypes", list(["Ingress"])),
            ("ingress", list([map([("from", list([everyone_here]))])])),
        ]);
        self.object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            Some("only-from-here"),
            [("spec", spec)],
        )
    }
}

fn namespace(plan: &Plan) -> String {
    let name = format!("martlet-{}", plan.name.to_ascii_lowercase());
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    name.trim_end_matches('-').to_owned()
}

/// Each node's pod: its role, and its number among those of the role.
fn pods(plan: &Plan) -> Vec<String> {
    let mut counts = [0usize; ROLES.len()];
    let pods = plan.nodes.iter().map(|node| {
        let index = ROLES.iter().position(|role| *role == node.role).unwrap_or_default();
        let ordinal = counts[index];
        counts[index] += 1;
        format!("{}-{ordinal}", node.role.name())
    });
    pods.collect()
}
