//! Compose: a service for each node, and one that runs `drive`, on a network of their own.

use super::yaml::{Value, list, map, map_of, text};
use super::{ExportError, ExportOptions, File, Source, files, settings};
use crate::agent::PORT;
use crate::plan::Plan;

pub(super) fn files(
    plan: &Plan,
    source: &Source,
    options: &ExportOptions,
    warnings: &[String],
) -> Result<Vec<File>, ExportError> {
    let hosts = files::host_names(plan)?;
    let driver = files::driver_name(&hosts);
    let mut made = files::scenario(plan, source);
    for (node, host) in hosts.iter().enumerate() {
        let config = settings::daemon(plan, node, &hosts)?;
        made.push(File::new(format!("nodes/{host}.toml"), config));
    }
    let agents = plan.nodes.iter().map(|node| node.name.clone()).zip(hosts.iter().cloned());
    made.push(File::new("agents.txt", super::agents_file(agents)));
    made.push(File::new("nodes/network.toml", settings::network(plan)?));
    let nodes = hosts.iter().map(|host| (host.clone(), node_service(host, &options.image)));
    let drive = (driver.clone(), drive_service(plan, source, &options.image));
    let document = map([
        ("name", format!("martlet-{}", plan.name.to_ascii_lowercase()).into()),
        ("services", map_of(nodes.chain(std::iter::once(drive)))),
        // Without a way out.
        ("networks", map([("martlet", map([("internal", true.into())]))])),
    ]);
    let comment = format!(
        "Scenario {}: see README.md. Written by martlet-testnet export compose.",
        plan.name
    );
    made.push(File::new("compose.yaml", text(&comment, &[document])?));
    let readme = format!(
        include_str!("compose.md"),
        name = plan.name,
        nodes = plan.nodes.len(),
        minutes = plan.duration.as_secs().div_ceil(60),
        driver = driver,
        image = options.image,
        port = PORT,
        left_out = super::as_list(warnings),
    );
    made.push(File::new("README.md", readme));
    Ok(made)
}

fn node_service(host: &str, image: &str) -> Value {
    let listen = format!("0.0.0.0:{PORT}");
    let config = "/etc/martlet/martletd.toml";
    let command = ["agent", "--listen", &listen, "--data", "/data", "--", "--config", config];
    service(
        image,
        command,
        [
            bind(&format!("./nodes/{host}.toml"), config),
            bind("./nodes/network.toml", "/etc/martlet/network.toml"),
            // Without a name: each container has its own. The long form of this podman-compose does
            // not read.
            "/data".into(),
        ],
        [],
    )
}

fn drive_service(plan: &Plan, source: &Source, image: &str) -> Value {
    let command = super::drive_arguments(plan, source, "/scenario", "/tmp/report");
    let names = files::scenario(plan, source).into_iter().map(|file| file.path);
    let names = names.chain(std::iter::once("agents.txt".to_owned()));
    let binds = names.map(|name| bind(&format!("./{name}"), &format!("/scenario/{name}")));
    // Not started by `up`: it is run once, by itself.
    service(image, command, binds, [("profiles", list(["drive"]))])
}

fn service<'a>(
    image: &str,
    command: impl IntoIterator<Item = impl Into<Value>>,
    volumes: impl IntoIterator<Item = Value>,
    more: impl IntoIterator<Item = (&'a str, Value)>,
) -> Value {
    let all = [
        ("image", image.into()),
        ("entrypoint", list(["martlet-testnet"])),
        ("command", list(command)),
        ("user", "65532:65532".into()),
        ("read_only", true.into()),
        ("cap_drop", list(["ALL"])),
        ("security_opt", list(["no-new-privileges:true"])),
        ("tmpfs", list(["/tmp"])),
        ("mem_limit", "512m".into()),
        ("stop_grace_period", "20s".into()),
        ("volumes", list(volumes)),
        ("networks", list(["martlet"])),
    ];
    map_of(all.into_iter().chain(more).map(|(key, value)| (key.to_owned(), value)))
}

fn bind(from: &str, to: &str) -> Value {
    map([
        ("type", "bind".into()),
        ("source", from.into()),
        ("target", to.into()),
        ("read_only", true.into()),
    ])
}
