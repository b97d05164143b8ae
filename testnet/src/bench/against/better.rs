//! Which direction of a figure is the better one.

use serde::Serialize;

/// The better direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Better {
    /// Times, memory, bytes, what was lost.
    Less,
    /// What is done in a second, what was delivered.
    More,
}

/// The better direction of a figure, by its path; none if it says how much was measured, or if this build does not
/// know it.
pub(super) fn better(path: &str) -> Option<Better> {
    // All of them are times, memory, bytes, or how many times as much these become.
    if path.starts_with("growth.") {
        return Some(Better::Less);
    }
    let plain = without_indices(path);
    let found =
        |(paths, better): (&[&str], Better)| paths.contains(&plain.as_str()).then_some(better);
    [(MORE, Better::More), (LESS, Better::Less)].into_iter().find_map(found)
}

/// A path without what tells an array's elements apart.
fn without_indices(path: &str) -> String {
    let mut plain = String::new();
    for piece in path.split('[') {
        plain.push_str(piece.split_once(']').map_or(piece, |(_, rest)| rest));
    }
    plain
}

const MORE: &[&str] = &[
    "throughput_per_s",
    "ingest_per_s",
    "ingest.empty",
    "ingest.fifth",
    "sync_large.per_s",
    "sync_300k.per_s",
    "sync_empty.per_s",
    "network.carried.delivery",
    "file.mb_per_s",
    "file.bare_stream_mb_per_s",
    "file.raw_tcp_mb_per_s",
    "file.of_bare_stream",
];

const LESS: &[&str] = &[
    "latency_ms.p50",
    "latency_ms.p99",
    "throughput_lost",
    "cpu_s_per_1000",
    "idle.cpu_pct",
    "idle.rss_mib",
    "ready_s",
    "catch_up.seconds",
    "catch_up.lost",
    "unnoticed_death.lost",
    "unnoticed_death.seconds_after_return",
    "sweep_s",
    "sync_100k.seconds",
    "sync_100k.passes",
    "sync_100k.bytes",
    "sync_100k.start_s",
    "sync_100k.rss_mib",
    "sync_1m_clustered.seconds",
    "sync_1m_clustered.passes",
    "sync_1m_clustered.bytes",
    "sync_1m_clustered.start_s",
    "sync_1m_clustered.rss_mib",
    "sync_1m_spread.seconds",
    "sync_1m_spread.passes",
    "sync_1m_spread.bytes",
    "sync_1m_spread.start_s",
    "sync_1m_spread.rss_mib",
    "rss_1m_mib",
    "sync_large.seconds",
    "sync_large.missing",
    "sync_300k.seconds",
    "sync_300k.missing",
    "sync_empty.seconds",
    "sync_empty.missing",
    "idle_lan.cpu_pct",
    "idle_lan.rss_mib",
    "idle_lan.log_above_info",
    "idle_lan.log_lines",
    "room.direct_p50_ms",
    "room.to_last_p50_ms",
    "room.to_last_p99_ms",
    "room.to_last_factor",
    "room.envelopes_per_message",
    "room.key_change_cpu_ms",
    "file.rss_growth_mib",
    "network.carried.p50_ms",
    "network.carried.p99_ms",
    "network.carried.cpu_us_per_copy",
    "network.carried.bytes_per_payload_byte",
    "network.carried.bytes_per_payload_byte_all",
    "network.carried.bytes_per_envelope_byte",
    "network.idle.rss_mib_per_node",
    "network.idle.cpu_pct_per_node",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::against::figures;
    use crate::bench::report;

    /// How much was measured, or for how long.
    const SETTINGS: [&str; 6] = [
        "network.nodes",
        "network.seconds",
        "unnoticed_death.sent",
        "idle_lan.seconds",
        "room.members",
        "file.mib",
    ];

    #[test]
    fn of_each_figure_that_bench_prints_the_better_direction_is_known()
    -> Result<(), serde_json::Error> {
        let printed = serde_json::to_vec(&report::example())?;
        let figures = figures::read(&printed).unwrap_or_default();
        assert!(figures.len() > LESS.len() + MORE.len(), "{figures:?}");
        for path in figures.keys() {
            let is_setting = SETTINGS.contains(&path.as_str());
            assert_eq!(better(path).is_none(), is_setting, "{path}");
        }
        for path in LESS.iter().chain(MORE) {
            let is_printed = |printed: &String| without_indices(printed) == *path;
            assert!(figures.keys().any(is_printed), "{path} is in no report");
        }
        Ok(())
    }
}
