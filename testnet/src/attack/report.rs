//! The figures of an attack, and what they must be.

use std::time::Duration;

use serde::Serialize;

use super::Attack;
use super::arena::{MAILBOX_BYTES, Peak, Traffic};
use super::siege::Cut;

/// Resident memory of a daemon under any attack, bytes: what it needs at rest, the gossip that
/// waits (32 MiB), the databases' caches (16 MiB), what waits in the streams of some connections, and
/// what the allocator keeps.
const RSS_BYTES_MAX: u64 = 256 << 20;
/// The same once deaf peers have gone. Measured in an unoptimized build: 39 MiB before, 92 to 132 at most, and as much a minute
/// later, though 16 MB are in use: the system's allocator keeps what was freed, and would give 67 MiB back if it were asked
/// (`malloc_trim`). What waited for peers and was not freed would come on top, as the 374 MiB that stayed once.
pub(super) const RSS_AFTER_BYTES_MAX: u64 = 192 << 20;
/// Data directory of a daemon, bytes: the mailbox's quota and its indexes, twice while pages are
/// copied, and the vault.
const DISK_BYTES_MAX: u64 = 2 * MAILBOX_BYTES + (32 << 20);
/// Its log: a peer can't fill the disk with it.
const LOG_BYTES_MAX: u64 = 1 << 20;
/// Seconds within which a peer that takes nothing is cut off, from the beginning of the attack, with some for
/// what fits into the connection first.
const DEAF_CUT_MAX: f64 = 13.0;
/// Names an attacker may have connected at once.
const CONNECTED_MAX: u32 = martletd::limits::CONNECTIONS_INBOUND_MAX;

/// The figures of all attacks.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether every promise was kept.
    pub(super) ok: bool,
    pub(super) quick: bool,
    pub(super) attacks: Vec<Figures>,
}

/// The figures of one attack.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    attack: String,
    pub(super) ok: bool,
    seconds: f64,
    /// Envelopes that a peer may bring in a minute at these daemons.
    peer_envelopes_per_minute: u32,
    honest_sent: usize,
    honest_delivered: usize,
    honest_twice: usize,
    quiet_p50_ms: f64,
    quiet_p99_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
    #[serde(flatten)]
    memory: Memory,
    disk_peak_mib: f64,
    disk_bound_mib: f64,
    log_peak_kib: f64,
    peer: Fate,
    /// Why it can't be said what becomes of such a peer; absent if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inconclusive: Option<String>,
    /// The promises that were broken.
    pub(super) broken: Vec<String>,
}

/// Resident memory.
#[derive(Debug, Serialize)]
struct Memory {
    /// The most of any daemon.
    rss_peak_mib: f64,
    rss_bound_mib: f64,
    /// Of the node that was attacked, once deaf peers have gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    rss_after_mib: Option<f64>,
}

/// What became of the hostile peer.
#[derive(Debug, Serialize)]
pub(super) struct Fate {
    outcome: Outcome,
    /// Seconds from the beginning until it was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_after_s: Option<f64>,
    /// Messages, acks, frames, requests or streams it sent.
    sent: u64,
    /// Of these: kept, or passed on.
    taken: u64,
    /// Names it had.
    identities: u32,
    /// The most of them connected at once.
    connected: u32,
}

/// What a peer ends as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// Cut off, and refused when it came back under the same name.
    Banned,
    /// Its connections were ended, each time.
    Cut,
    /// Only a part of what it sent was taken.
    Throttled,
    /// Nothing of what it sent was kept or passed on.
    Ignored,
    /// It kept to what any peer may do.
    WithinShare,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::Cut => "cut",
            Self::Throttled => "throttled",
            Self::Ignored => "ignored",
            Self::WithinShare => "within its share",
        }
    }
}

impl Fate {
    /// The fate of a peer that sent so many, of which so many were taken.
    pub(super) fn new(cut: Cut, sent: u64, taken: u64, identities: u32, connected: u32) -> Self {
        let outcome = match cut {
            Cut { is_banned: true, .. } => Outcome::Banned,
            Cut { after: Some(_), .. } => Outcome::Cut,
            Cut { after: None, .. } if taken == 0 => Outcome::Ignored,
            Cut { after: None, .. } if taken < sent => Outcome::Throttled,
            Cut { after: None, .. } => Outcome::WithinShare,
        };
        let cut_after_s = cut.after.map(|after| rounded(after.as_secs_f64()));
        Self { outcome, cut_after_s, sent, taken, identities, connected }
    }
}

impl Figures {
    /// Puts the figures together and looks whether a promise was broken.
    pub(super) fn new(
        attack: Attack,
        duration: Duration,
        share: u32,
        quiet: &Traffic,
        traffic: &Traffic,
        (peak, after): (Peak, Option<u64>),
        peer: Fate,
    ) -> Self {
        let mut figures = Self {
            attack: attack.name(),
            ok: true,
            seconds: duration.as_secs_f64(),
            peer_envelopes_per_minute: share,
            honest_sent: traffic.sent,
            honest_delivered: traffic.delivered,
            honest_twice: traffic.twice,
            quiet_p50_ms: percentile(&quiet.latencies, 50),
            quiet_p99_ms: percentile(&quiet.latencies, 99),
            p50_ms: percentile(&traffic.latencies, 50),
            p99_ms: percentile(&traffic.latencies, 99),
            memory: Memory {
                rss_peak_mib: mib(peak.rss_bytes),
                rss_bound_mib: mib(RSS_BYTES_MAX),
                rss_after_mib: after.map(mib),
            },
            disk_peak_mib: mib(peak.disk_bytes),
            disk_bound_mib: mib(DISK_BYTES_MAX),
            log_peak_kib: rounded(as_f64(peak.log_bytes) / 1024.0),
            peer,
            inconclusive: None,
            broken: Vec::new(),
        };
        figures.inconclusive = figures.find_inconclusive(attack);
        figures.broken = figures.find_broken(attack, peak);
        figures.ok = figures.broken.is_empty();
        figures
    }

    /// How many shares the attacker must send more of than it may, for something to become of it; absent if it need
    /// not. Each share may be sent at once, and as much again a minute.
    fn shares_needed(&self, attack: Attack) -> Option<f64> {
        match (attack, self.peer.outcome) {
            // Who dialled has three quarters of one.
            (Attack::FloodValid, Outcome::WithinShare) => Some(0.75),
            // The pool of all, and what is reserved for each that is connected.
            (Attack::Sybils, Outcome::WithinShare) => {
                let most = martletd::limits::CONNECTIONS_MAX;
                Some(1.0 + f64::from(self.peer.connected) / f64::from(most))
            }
            (Attack::FloodControl, Outcome::Ignored) => Some(4.0),
            _ => None,
        }
    }

    /// Whether the attacker, on a slow machine or in too short a time, did not come to do more than it may: then that
    /// it was let be says nothing.
    fn find_inconclusive(&self, attack: Attack) -> Option<String> {
        let is_early = self.seconds < DEAF_CUT_MAX && self.peer.outcome == Outcome::WithinShare;
        if attack == Attack::DeafPeers && is_early {
            return Some(format!("too short: it may take {DEAF_CUT_MAX} s until it is cut off"));
        }
        let shares = self.shares_needed(attack)?;
        let share = f64::from(self.peer_envelopes_per_minute);
        let allowed = share * shares * (1.0 + self.seconds / 60.0);
        let sent = self.peer.sent;
        (as_f64(sent) <= allowed.round()).then(|| {
            format!(
                "attacker too slow: it sent {sent}, and may send {allowed:.0}; try again on a machine that is less busy"
            )
        })
    }

    fn find_broken(&self, attack: Attack, peak: Peak) -> Vec<String> {
        let mut broken = Vec::new();
        let (sent, delivered) = (self.honest_sent, self.honest_delivered);
        if sent == 0 || delivered < sent {
            broken.push(format!("{delivered} of {sent} honest messages were delivered"));
        }
        if self.honest_twice > 0 {
            broken.push(format!("{} honest messages came twice", self.honest_twice));
        }
        for (what, found, max) in [
            ("resident memory", peak.rss_bytes, RSS_BYTES_MAX),
            ("data directory", peak.disk_bytes, DISK_BYTES_MAX),
            ("log", peak.log_bytes, LOG_BYTES_MAX),
        ] {
            if found > max {
                broken.push(format!("{what}: {found} bytes, over the bound of {max}"));
            }
        }
        if let Some(after) = self.memory.rss_after_mib
            && after > mib(RSS_AFTER_BYTES_MAX)
        {
            broken.push(format!("{after} MiB of memory are kept after deaf peers have gone"));
        }
        if self.peer.connected > CONNECTED_MAX {
            broken.push(format!("{} names of one attacker were let in", self.peer.connected));
        }
        if let (Attack::DeafPeers, Some(after)) = (attack, self.peer.cut_after_s)
            && after > DEAF_CUT_MAX
        {
            broken.push(format!("a peer that takes nothing was cut off after {after} s"));
        }
        if !allowed(attack).contains(&self.peer.outcome) && self.inconclusive.is_none() {
            broken.push(format!("the peer was {}", self.peer.outcome.word()));
        }
        broken
    }
}

/// What may become of the peer. Nothing less will do.
fn allowed(attack: Attack) -> &'static [Outcome] {
    use Outcome::{Banned, Cut, Ignored, Throttled, WithinShare};
    match attack {
        Attack::FloodGarbage
        | Attack::WrongTimes
        | Attack::LyingSync
        | Attack::BlobQuestions
        | Attack::FloodControl => &[Banned],
        Attack::ManyStreams | Attack::DeafPeers => &[Banned, Cut],
        Attack::FloodValid | Attack::Sybils => &[Banned, Cut, Throttled],
        // How many streams were ended stands for what was not taken.
        Attack::StalledStreams | Attack::ForgedAcks => &[Banned, Cut, Throttled, Ignored],
        Attack::Replay | Attack::Reinjected => &[Banned, Cut, Ignored],
        // Only their addressees can tell: what it sends is as good as any, and as little.
        Attack::ClaimedTags => &[Banned, Cut, Throttled, Ignored, WithinShare],
    }
}

impl Report {
    /// The attacks in which a promise was broken.
    pub(super) fn broken(&self) -> String {
        let broken = self.attacks.iter().filter(|figures| !figures.ok);
        let each =
            broken.map(|figures| format!("{}: {}", figures.attack, figures.broken.join("; ")));
        each.collect::<Vec<_>>().join("\n")
    }

    /// The figures for people.
    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "{:16} {:>9} {:>18} {:>18} {:>8} {:>8}  what became of the peer\n",
            "attack", "messages", "quiet p50/p99 ms", "p50/p99 ms", "RSS MiB", "disk MiB"
        );
        for figures in &self.attacks {
            let peer = &figures.peer;
            let mut fate = match figures.inconclusive {
                Some(_) => format!("inconclusive: {}", peer.outcome.word()),
                None => peer.outcome.word().to_owned(),
            };
            if let Some(after) = peer.cut_after_s {
                fate.push_str(&format!(" after {after:.1} s"));
            }
            fate.push_str(&format!("; {} of {} taken", peer.taken, peer.sent));
            if peer.identities > 1 {
                fate.push_str(&format!("; {} of {} let in", peer.connected, peer.identities));
            }
            table.push_str(&format!(
                "{:16} {:>9} {:>18} {:>18} {:>8.0} {:>8.0}  {fate}\n",
                figures.attack,
                format!("{}/{}", figures.honest_delivered, figures.honest_sent),
                format!("{:.1} / {:.1}", figures.quiet_p50_ms, figures.quiet_p99_ms),
                format!("{:.1} / {:.1}", figures.p50_ms, figures.p99_ms),
                figures.memory.rss_peak_mib,
                figures.disk_peak_mib,
            ));
        }
        table.push_str(&format!(
            "bounds: all honest messages, once; {:.0} MiB of memory, {:.0} MiB of disk, {:.0} KiB of log\n",
            mib(RSS_BYTES_MAX),
            mib(DISK_BYTES_MAX),
            as_f64(LOG_BYTES_MAX) / 1024.0
        ));
        table
    }
}

/// The nearest-rank percentile of sorted values; 0 of none.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    rounded(sorted.get(rank - 1).copied().unwrap_or_default())
}

fn mib(bytes: u64) -> f64 {
    rounded(as_f64(bytes) / f64::from(1 << 20))
}

#[expect(clippy::cast_precision_loss, reason = "sizes far under 2^53")]
fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(attack: Attack, cut: Cut, [sent, taken]: [u64; 2], connected: u32) -> Figures {
        let traffic = Traffic { sent: 10, delivered: 10, ..Traffic::default() };
        let peer = Fate::new(cut, sent, taken, 50, connected);
        let duration = Duration::from_secs(5);
        Figures::new(attack, duration, 4800, &traffic, &traffic, (Peak::default(), None), peer)
    }

    /// On a busy machine the fifty did not come to send more than the node may take from them, all of which it took:
    /// that was judged as a promise broken.
    #[test]
    fn an_attacker_that_is_too_slow_proves_nothing_and_one_that_is_not_still_does() {
        // With 24 of 48 places: the pool and half of a share, and five seconds more: 7,800.
        let slow = judged(Attack::Sybils, Cut::default(), [7_800, 7_800], 24);
        assert!(slow.ok && slow.broken.is_empty());
        let said = slow.inconclusive.unwrap_or_default();
        assert!(said.starts_with("attacker too slow: it sent 7800, and may send 7800"), "{said}");
        let fast = judged(Attack::Sybils, Cut::default(), [7_801, 7_801], 24);
        assert_eq!((fast.ok, fast.inconclusive), (false, None));
        assert_eq!(fast.broken, ["the peer was within its share"]);
        // Fewer names have less.
        assert!(!judged(Attack::Sybils, Cut::default(), [7_800, 7_800], 1).ok);
        let throttled = judged(Attack::Sybils, Cut::default(), [7_000, 6_999], 24);
        assert_eq!((throttled.ok, throttled.inconclusive), (true, None));
        // What else is promised holds for the slow, too.
        let traffic = Traffic { sent: 10, delivered: 9, ..Traffic::default() };
        let peer = Fate::new(Cut::default(), 10, 10, 50, 24);
        let duration = Duration::from_secs(5);
        let lost = Figures::new(
            Attack::Sybils,
            duration,
            4800,
            &traffic,
            &traffic,
            (Peak::default(), None),
            peer,
        );
        assert!(!lost.ok && lost.inconclusive.is_some());
    }

    #[test]
    fn single_floods_are_judged_by_their_own_shares() {
        let within = |sent| judged(Attack::FloodValid, Cut::default(), [sent, sent], 1);
        assert!(within(3_900).inconclusive.is_some() && within(3_900).ok);
        assert!(within(3_901).inconclusive.is_none() && !within(3_901).ok);
        let ignored = |sent| judged(Attack::FloodControl, Cut::default(), [sent, 0], 1);
        assert!(ignored(20_800).inconclusive.is_some() && ignored(20_800).ok);
        assert!(!ignored(20_801).ok);
        assert!(!judged(Attack::FloodGarbage, Cut::default(), [1, 0], 1).ok);
    }
}
