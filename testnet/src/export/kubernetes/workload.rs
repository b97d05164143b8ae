//! What runs: the nodes and the driver.

use martlet_protocol::control::Role;

use super::super::yaml::{Value, list, map};
use super::{SERVICE, Set};
use crate::agent::PORT;

/// The user that everything runs as; the image's.
const USER: u32 = 65_532;

/// What all pods of nodes have, and no others.
pub(super) fn node_labels() -> Value {
    map([("app.kubernetes.io/name", "martlet-node".into())])
}

/// The nodes of a role.
pub(super) fn stateful_set(set: &Set<'_>, role: Role, count: usize, configs: &[String]) -> Value {
    let labels = || {
        map([
            ("app.kubernetes.io/name", "martlet-node".into()),
            ("app.kubernetes.io/component", role.name().into()),
        ])
    };
    let volumes = list([
        map([("name", "data".into()), ("emptyDir", map([("sizeLimit", "2Gi".into())]))]),
        configuration(configs),
    ]);
    let template = map([
        ("metadata", map([("labels", labels())])),
        ("spec", pod(node(&set.options.image), volumes, "Always")),
    ]);
    let spec = map([
        ("serviceName", SERVICE.into()),
        ("replicas", count.into()),
        ("podManagementPolicy", "Parallel".into()),
        ("selector", map([("matchLabels", labels())])),
        ("template", template),
    ]);
    set.object("apps/v1", "StatefulSet", Some(role.name()), [("spec", spec)])
}

/// The files of all `configs` in one directory.
fn configuration(configs: &[String]) -> Value {
    let config_map = |name: &str| map([("name", name.into())]);
    let source = match configs {
        [only] => ("configMap", config_map(only)),
        several => {
            let sources = several.iter().map(|name| map([("configMap", config_map(name))]));
            ("projected", map([("sources", list(sources))]))
        }
    };
    map([("name", "configuration".into()), source])
}

/// The driver, run once: what it finds is not found again by a second try.
pub(super) fn job(set: &Set<'_>) -> Value {
    let labels = map([("app.kubernetes.io/name", "martlet-drive".into())]);
    let empty = |name: &str| map([("name", name.into()), ("emptyDir", map([]))]);
    let volumes = list([
        map([("name", "scenario".into()), ("configMap", map([("name", "scenario".into())]))]),
        empty("report"),
        empty("tmp"),
    ]);
    let template = map([
        ("metadata", map([("labels", labels)])),
        ("spec", pod(driver(set), volumes, "Never")),
    ]);
    let spec = map([
        ("backoffLimit", 0.into()),
        ("activeDeadlineSeconds", super::super::time_max_s(set.plan).into()),
        ("template", template),
    ]);
    set.object("batch/v1", "Job", Some("drive"), [("spec", spec)])
}

fn node(image: &str) -> Value {
    let listen = format!("0.0.0.0:{PORT}");
    // Kubernetes puts the name in.
    let config = "/etc/martlet/$(POD_NAME).toml";
    let agent = ["agent", "--listen", &listen, "--data", "/data", "--", "--config", config];
    let pod_name = map([("fieldRef", map([("fieldPath", "metadata.name".into())]))]);
    let port = |name: &str, port: u16, protocol: &str| {
        map([("name", name.into()), ("containerPort", port.into()), ("protocol", protocol.into())])
    };
    map([
        ("name", "node".into()),
        ("image", image.into()),
        ("command", list(["martlet-testnet"])),
        ("args", list(agent)),
        ("env", list([map([("name", "POD_NAME".into()), ("valueFrom", pod_name)])])),
        (
            "ports",
            list([
                port("agent", PORT, "TCP"),
                port("martlet-tcp", super::super::DAEMON_PORT, "TCP"),
                port("martlet-quic", super::super::DAEMON_PORT, "UDP"),
            ]),
        ),
        (
            "readinessProbe",
            map([
                ("httpGet", map([("path", "/agent/ready".into()), ("port", "agent".into())])),
                ("periodSeconds", 5.into()),
            ]),
        ),
        ("resources", resources("25m", "48Mi", "512Mi")),
        ("securityContext", container_security()),
        (
            "volumeMounts",
            list([mount("data", "/data", false), mount("configuration", "/etc/martlet", true)]),
        ),
    ])
}

fn driver(set: &Set<'_>) -> Value {
    let arguments = super::super::drive_arguments(set.plan, set.source, "/scenario", "/report");
    map([
        ("name", "drive".into()),
        ("image", set.options.image.as_str().into()),
        ("command", list(["martlet-testnet"])),
        ("args", list(arguments)),
        ("resources", resources("250m", "128Mi", "1Gi")),
        ("securityContext", container_security()),
        (
            "volumeMounts",
            list([
                mount("scenario", "/scenario", true),
                mount("report", "/report", false),
                // For the sockets through which it reaches the agents.
                mount("tmp", "/tmp", false),
            ]),
        ),
    ])
}

fn pod(container: Value, volumes: Value, restarts: &str) -> Value {
    map([
        ("restartPolicy", restarts.into()),
        ("terminationGracePeriodSeconds", 20.into()),
        ("automountServiceAccountToken", false.into()),
        // A variable for each Service would be of no use.
        ("enableServiceLinks", false.into()),
        (
            "securityContext",
            map([
                ("runAsNonRoot", true.into()),
                ("runAsUser", USER.into()),
                ("runAsGroup", USER.into()),
                ("fsGroup", USER.into()),
                ("seccompProfile", map([("type", "RuntimeDefault".into())])),
            ]),
        ),
        ("containers", list([container])),
        ("volumes", volumes),
    ])
}

fn container_security() -> Value {
    map([
        ("allowPrivilegeEscalation", false.into()),
        ("readOnlyRootFilesystem", true.into()),
        ("capabilities", map([("drop", list(["ALL"]))])),
    ])
}

fn resources(cpu: &str, memory: &str, memory_max: &str) -> Value {
    map([
        ("requests", map([("cpu", cpu.into()), ("memory", memory.into())])),
        ("limits", map([("memory", memory_max.into())])),
    ])
}

fn mount(volume: &str, path: &str, read_only: bool) -> Value {
    map([("name", volume.into()), ("mountPath", path.into()), ("readOnly", read_only.into())])
}
