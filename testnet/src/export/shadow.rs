//! Shadow 3: each node is a simulated host that runs an agent, and one more host runs `drive`.

use super::graph::{bandwidth, graph};
use super::yaml::{Value, list, map, map_of, text};
use super::{ExportError, File, Source, files, settings};
use crate::agent::PORT;
use crate::plan::Plan;

/// From a host's directory, where Shadow starts its programs, to that of the export.
const HERE: &str = "../../..";

pub(super) fn files(
    plan: &Plan,
    source: &Source,
    warnings: &[String],
) -> Result<Vec<File>, ExportError> {
    let hosts = files::host_names(plan)?;
    let mut made = files::scenario(plan, source);
    for (node, host) in hosts.iter().enumerate() {
        let config = settings::daemon(plan, node, &hosts)?;
        made.push(File::new(format!("nodes/{host}.toml"), config));
    }
    let agents = plan.nodes.iter().map(|node| node.name.clone()).zip(hosts.iter().cloned());
    made.push(File::new("agents.txt", super::agents_file(agents)));
    made.push(File::new("nodes/network.toml", settings::network(plan)?));
    made.push(File::new("shadow.yaml", configuration(plan, source, &hosts)?));
    let readme = format!(
        include_str!("shadow.md"),
        name = plan.name,
        nodes = plan.nodes.len(),
        driver = files::driver_name(&hosts),
        left_out = super::as_list(warnings),
    );
    made.push(File::new("README.md", readme));
    Ok(made)
}

fn configuration(plan: &Plan, source: &Source, hosts: &[String]) -> Result<String, ExportError> {
    let graph = graph(plan)?;
    let nodes = hosts.iter().enumerate().map(|(node, name)| {
        let agent = process(&agent_arguments(name), "0 s", "running".into());
        (name.clone(), host(graph.places[node], bandwidth(plan, node), agent))
    });
    let drive = super::drive_arguments(plan, source, HERE, "report");
    let drive = process(&drive, "1 s", map([("exited", 0.into())]));
    let driver = (files::driver_name(hosts), host(graph.driver, None, drive));
    let document = map([
        (
            "general",
            map([
                ("stop_time", format!("{} s", super::time_max_s(plan)).into()),
                ("seed", (plan.seed & u64::from(u32::MAX)).into()),
                // A daemon's threads look several times before they sleep.
                ("model_unblocked_syscall_latency", true.into()),
            ]),
        ),
        (
            "network",
            map([
                ("use_shortest_path", false.into()),
                ("graph", map([("type", "gml".into()), ("inline", graph.gml.into())])),
            ]),
        ),
        ("hosts", map_of(nodes.chain(std::iter::once(driver)))),
    ]);
    let comment =
        format!("Scenario {}: see README.md. Written by martlet-testnet export shadow.", plan.name);
    text(&comment, &[document])
}

fn agent_arguments(host: &str) -> Vec<String> {
    let listen = format!("0.0.0.0:{PORT}");
    let config = format!("{HERE}/nodes/{host}.toml");
    let arguments = ["agent", "--listen", &listen, "--data", "data", "--", "--config", &config];
    arguments.map(str::to_owned).into()
}

fn host(place: usize, bandwidth: Option<String>, process: Value) -> Value {
    let processes = list([process]);
    match bandwidth {
        None => map([("network_node_id", place.into()), ("processes", processes)]),
        Some(bound) => map([
            ("network_node_id", place.into()),
            ("bandwidth_down", bound.clone().into()),
            ("bandwidth_up", bound.into()),
            ("processes", processes),
        ]),
    }
}

fn process(arguments: &[String], starts: &str, ends: Value) -> Value {
    map([
        ("path", "martlet-testnet".into()),
        ("args", list(arguments.iter().cloned())),
        ("start_time", starts.into()),
        ("expected_final_state", ends),
    ])
}
