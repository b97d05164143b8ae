//! Exported scenarios: the same files each time, and what each engine must find in them.
//!
//! `tests/exports/` has what is made of a small scenario; `MARTLET_WRITE_EXPORTS=1` writes it anew,
//! to be looked at.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use martlet_protocol::control::Role;
use martlet_testnet::export::{Engine, Export, ExportError, ExportOptions, Source, export, write};
use martlet_testnet::plan::{
    Event, LinkPlan, LinkShape, LossAs, NetworkPlan, NodePlan, Plan, Settings, TimedEvent,
};
use martletd::config::Config;
use yaml_serde::Value;

use crate::TestResult;

const ENGINES: [(Engine, &str); 3] =
    [(Engine::Shadow, "shadow"), (Engine::Kubernetes, "kubernetes"), (Engine::Compose, "compose")];

/// Names that YAML 1.1 takes for something else.
const WORDS: [&str; 8] = ["no", "on", "off", "y", "n", "yes", "true", "null"];
/// The engines that name anything by the scenario's nodes.
const WORD_ENGINES: [(Engine, &str); 2] =
    [(Engine::Shadow, "shadow"), (Engine::Compose, "compose")];

fn node(name: &str, role: Role) -> NodePlan {
    NodePlan {
        name: name.into(),
        cluster: None,
        role,
        user: role != Role::Mailbox,
        clock_offset_ms: 0,
        device_of: None,
        shards: None,
        starts: true,
    }
}

fn link(a: usize, b: usize, latency_ms: u64, loss: f64) -> LinkPlan {
    let latency = Duration::from_millis(latency_ms);
    let shape = LinkShape { latency, loss, ..LinkShape::default() };
    LinkPlan { a, b, shape }
}

/// Two users, one of them on battery, with a mailbox between them, and a fourth node with a slow
/// link.
fn plan() -> Plan {
    let mut slow = link(2, 3, 300, 0.01);
    slow.shape.bandwidth_bytes_per_s = Some(16_000);
    slow.shape.jitter = Duration::from_millis(20);
    Plan {
        name: "small-Office".into(),
        description: "Four nodes.".into(),
        seed: 7,
        duration: Duration::from_secs(90),
        network: NetworkPlan { shard_bits: 2, ..NetworkPlan::default() },
        settings: Settings { connections_target: Some(8), quiet_factor: 1, ..Settings::default() },
        nodes: vec![
            node("Ann", Role::Full),
            node("laptop", Role::Edge),
            node("box", Role::Mailbox),
            NodePlan { shards: Some(vec![3]), user: false, ..node("far", Role::Full) },
        ],
        links: vec![link(0, 2, 5, 0.0), link(1, 2, 5, 0.0), slow],
        contacts: Vec::new(),
        rooms: Vec::new(),
        messages: Vec::new(),
        events: vec![TimedEvent { at: Duration::from_secs(9), event: Event::Crash(vec![2]) }],
        expectations: Vec::new(),
    }
}

/// Its nodes have the names that YAML 1.1 takes for something else.
fn plan_of_words() -> Plan {
    Plan {
        name: "on".into(),
        nodes: WORDS.map(|word| node(word, Role::Full)).into(),
        links: vec![link(0, 1, 5, 0.0)],
        events: Vec::new(),
        ..plan()
    }
}

fn source() -> Source {
    Source {
        text: "name = \"small-office\"\n\n[[nodes]]\nname = \"Ann\"\n".into(),
        edges: Some(("edges.csv".into(), "Ann,box\n".into())),
        arguments: vec!["--seed".into(), "7".into()],
    }
}

fn make(engine: Engine, plan: &Plan) -> Result<Export, ExportError> {
    let options = ExportOptions { image: "registry.example/martlet:1".into() };
    export(engine, plan, &source(), &options)
}

fn text<'a>(export: &'a Export, path: &str) -> &'a str {
    let file = export.files.iter().find(|file| file.path == path);
    file.map_or_else(|| panic!("there is no {path}"), |file| &file.text)
}

/// Every document of a file.
fn documents(export: &Export, path: &str) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    use serde::Deserialize;
    let documents = yaml_serde::Deserializer::from_str(text(export, path));
    Ok(documents.map(Value::deserialize).collect::<Result<_, _>>()?)
}

#[test]
fn the_same_plan_gives_the_files_that_are_kept() -> TestResult {
    let plans = ENGINES.map(|(engine, name)| (engine, name.to_owned(), plan()));
    let words =
        WORD_ENGINES.map(|(engine, name)| (engine, format!("words/{name}"), plan_of_words()));
    for (engine, name, plan) in plans.into_iter().chain(words) {
        let made = make(engine, &plan)?;
        assert_eq!(made, make(engine, &plan)?);
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exports").join(&name);
        if std::env::var_os("MARTLET_WRITE_EXPORTS").is_some() {
            write(&dir, &made.files, true)?;
        }
        let kept = read_all(&dir, &dir)?;
        let made = made.files.into_iter().map(|file| (file.path, file.text)).collect();
        assert_eq!(kept, made, "{name}");
    }
    Ok(())
}

/// Nodes named `no`, `on`, `off` and `y` were written plain: PyYAML read the names of their services
/// as `False` and `True`, and podman-compose failed.
#[test]
fn python_reads_services_named_no_on_off_and_y_as_texts() -> TestResult {
    let program = "import sys, yaml\nfor key, value in yaml.safe_load(sys.stdin)[sys.argv[1]].items():\n print(repr(key))";
    let is_there = Command::new("python3").args(["-c", "import yaml"]).output();
    if !is_there.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no python3 with PyYAML");
        return Ok(());
    }
    for (engine, path, key) in
        [(Engine::Compose, "compose.yaml", "services"), (Engine::Shadow, "shadow.yaml", "hosts")]
    {
        let made = make(engine, &plan_of_words())?;
        let mut python = Command::new("python3")
            .args(["-c", program, key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        python.stdin.take().ok_or("no input")?.write_all(text(&made, path).as_bytes())?;
        let output = python.wait_with_output()?;
        let names: Vec<String> = WORDS.iter().map(|word| format!("'{word}'")).collect();
        assert_eq!(
            String::from_utf8(output.stdout)?.lines().collect::<Vec<_>>(),
            names.iter().map(String::as_str).chain(["'driver'"]).collect::<Vec<_>>()
        );
    }
    Ok(())
}

fn read_all(top: &Path, dir: &Path) -> std::io::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            files.append(&mut read_all(top, &path)?);
        } else {
            let name = path.strip_prefix(top).unwrap_or(&path).display().to_string();
            files.insert(name, std::fs::read_to_string(&path)?);
        }
    }
    Ok(files)
}

#[test]
fn each_node_has_an_agent_and_a_configuration_that_the_daemon_takes() -> TestResult {
    for (engine, name) in ENGINES {
        let made = make(engine, &plan())?;
        let dir = tempfile::tempdir()?;
        write(dir.path(), &made.files, false)?;
        let mut configs = Vec::new();
        if engine == Engine::Kubernetes {
            std::fs::create_dir(dir.path().join("nodes"))?;
            for map in documents(&made, "configuration.yaml")? {
                for (key, config) in map["data"].as_mapping().ok_or("no data")? {
                    let key = key.as_str().ok_or("no key")?;
                    let path = dir.path().join("nodes").join(key);
                    std::fs::write(&path, config.as_str().ok_or("no text")?)?;
                    configs.push(path);
                }
            }
        } else {
            for entry in std::fs::read_dir(dir.path().join("nodes"))? {
                configs.push(entry?.path());
            }
        }
        configs.retain(|path| !path.ends_with("network.toml"));
        assert_eq!(configs.len(), 4, "{name}");
        for path in configs {
            let config = Config::load(Some(&path), Default::default(), &|name| {
                (name == "HOME").then(|| "/nonexistent".into())
            })?;
            assert_eq!(config.network.shard_bits, 2, "{}", path.display());
            assert!(!config.mdns);
            let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let mailbox = ["box", "mailbox-0"].contains(&file.as_str());
            assert_eq!(config.role == Role::Mailbox, mailbox, "{file}");
            let dials = config.static_peers.len();
            assert_eq!(dials, usize::from(!["far", "full-1"].contains(&file.as_str())), "{file}");
        }
    }
    Ok(())
}

#[test]
fn a_statefulset_has_a_pod_for_each_node_of_its_role() -> TestResult {
    let made = make(Engine::Kubernetes, &plan())?;
    let sets = documents(&made, "nodes.yaml")?;
    let found: Vec<_> = sets
        .iter()
        .map(|set| (set["metadata"]["name"].as_str(), set["spec"]["replicas"].as_u64()))
        .collect();
    assert_eq!(
        found,
        [(Some("full"), Some(2)), (Some("edge"), Some(1)), (Some("mailbox"), Some(1))]
    );
    for set in &sets {
        let pod = &set["spec"]["template"];
        assert_eq!(set["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]);
        assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], Value::from(true));
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], Value::from(true));
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], Value::from("/agent/ready"));
    }
    let scenario = &documents(&made, "scenario.yaml")?[0]["data"];
    let agents = scenario["agents.txt"].as_str().ok_or("no agents")?;
    let line = "far http://full-1.nodes.martlet-small-office.svc.cluster.local:4180";
    assert!(agents.lines().any(|found| found == line), "{agents}");
    assert_eq!(scenario["edges.csv"], Value::from("Ann,box\n"));
    let all = documents(&made, "kustomization.yaml")?;
    for path in all[0]["resources"].as_sequence().ok_or("no resources")? {
        documents(&made, path.as_str().ok_or("no path")?)?;
    }
    Ok(())
}

#[test]
fn a_thousand_nodes_fit_config_maps() -> TestResult {
    let mut large = plan();
    large.nodes = (0..1000).map(|index| node(&format!("n{index}"), Role::Full)).collect();
    large.links = (1..1000)
        .flat_map(|b: usize| (b.saturating_sub(16)..b).map(move |a| link(a, b, 1, 0.0)))
        .collect();
    let made = make(Engine::Kubernetes, &large)?;
    let maps = documents(&made, "configuration.yaml")?;
    assert!(maps.len() > 1);
    let sources = &documents(&made, "nodes.yaml")?[0]["spec"]["template"]["spec"]["volumes"][1]["projected"]
        ["sources"];
    assert_eq!(sources.as_sequence().map(Vec::len), Some(maps.len()));
    for map in maps {
        assert!(yaml_serde::to_string(&map)?.len() < 1024 * 1024);
    }
    Ok(())
}

#[test]
fn compose_starts_all_nodes_and_the_driver_when_asked() -> TestResult {
    let made = make(Engine::Compose, &plan())?;
    let document = &documents(&made, "compose.yaml")?[0];
    assert_eq!(document["name"], Value::from("martlet-small-office"));
    let services = document["services"].as_mapping().ok_or("no services")?;
    let names: Vec<_> = services.keys().filter_map(Value::as_str).collect();
    assert_eq!(names, ["ann", "laptop", "box", "far", "driver"]);
    assert_eq!(document["services"]["driver"]["profiles"][0], Value::from("drive"));
    assert_eq!(document["networks"]["martlet"]["internal"], Value::from(true));
    for (name, service) in services {
        assert!(service.get("ports").is_none(), "{name:?} is exposed");
        for volume in service["volumes"].as_sequence().ok_or("no volumes")? {
            if let Some(path) = volume["source"].as_str() {
                text(&made, path.trim_start_matches("./"));
            }
        }
    }
    Ok(())
}

#[test]
fn shadow_has_the_links_of_the_scenario() -> TestResult {
    let made = make(Engine::Shadow, &plan())?;
    let document = &documents(&made, "shadow.yaml")?[0];
    assert_eq!(document["general"]["stop_time"], Value::from("390 s"));
    assert_eq!(document["network"]["use_shortest_path"], Value::from(false));
    let gml = document["network"]["graph"]["inline"].as_str().ok_or("no graph")?;
    // Four nodes and the driver: an edge for each pair, and one from each to itself.
    assert_eq!(gml.matches("edge [").count(), 15);
    let slow = "source 2\n    target 3\n    latency \"300000 us\"\n    packet_loss 0.01\n";
    assert!(gml.contains(slow), "{gml}");
    assert_eq!(document["hosts"]["far"]["bandwidth_up"], Value::from("128000 bit"));
    assert!(document["hosts"]["box"].get("bandwidth_up").is_none());
    let driver = &document["hosts"]["driver"]["processes"][0];
    assert_eq!(driver["expected_final_state"]["exited"], Value::from(0));
    assert!(made.warnings.iter().any(|warning| warning.contains("Jitter")));

    let mut alike = plan();
    alike.links.truncate(2);
    let made = make(Engine::Shadow, &alike)?;
    let document = &documents(&made, "shadow.yaml")?[0];
    let gml = document["network"]["graph"]["inline"].as_str().ok_or("no graph")?;
    assert_eq!(gml.matches("edge [").count(), 3);
    Ok(())
}

#[test]
fn what_an_engine_does_not_do_is_said() -> TestResult {
    let mut plan = plan();
    plan.links[0].shape.loss_as = LossAs::Reset;
    plan.nodes[1].clock_offset_ms = 60_000;
    plan.events.push(TimedEvent { at: Duration::from_secs(10), event: Event::Heal });
    for (engine, name) in ENGINES {
        let made = make(engine, &plan)?;
        for word in ["Clock offsets", "Partitions"] {
            assert!(made.warnings.iter().any(|warning| warning.contains(word)), "{name}: {word}");
        }
        for warning in &made.warnings {
            assert!(text(&made, "README.md").contains(warning.as_str()), "{name}: {warning}");
        }
        let delay = made.warnings.iter().any(|warning| warning.contains("Delay"));
        assert_eq!(delay, engine != Engine::Shadow);
    }
    Ok(())
}

#[test]
fn what_cannot_be_exported_is_refused_with_the_reason() -> TestResult {
    let mut same = plan();
    same.nodes[1].name = "aNN".into();
    let error = make(Engine::Compose, &same).expect_err("it is refused").to_string();
    assert!(error.contains("Ann and aNN"), "{error}");
    // Kubernetes names pods by their roles.
    make(Engine::Kubernetes, &same)?;

    let mut large = plan();
    large.nodes = (0..1001).map(|index| node(&format!("n{index}"), Role::Full)).collect();
    assert!(matches!(make(Engine::Shadow, &large), Err(ExportError::TooManyNodes { .. })));

    let mut elsewhere = source();
    elsewhere.edges = Some(("../edges.csv".into(), String::new()));
    let options = ExportOptions { image: "martlet".into() };
    let error = export(Engine::Compose, &plan(), &elsewhere, &options);
    assert!(matches!(error, Err(ExportError::EdgesElsewhere { .. })));

    let dir = tempfile::tempdir()?;
    let made = make(Engine::Compose, &plan())?;
    write(dir.path(), &made.files, false)?;
    assert!(matches!(write(dir.path(), &made.files, false), Err(ExportError::NotEmpty { .. })));
    write(dir.path(), &made.files, true)?;
    Ok(())
}
