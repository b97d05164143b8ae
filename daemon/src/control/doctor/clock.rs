//! What the doctor and the status say of the clock.

use crate::limits::FAR_FUTURE_SAMPLE_MIN;
use martlet_engine::clock::ClockDoubt;
use martlet_protocol::control::{Finding, FindingCode, Severity};
use martlet_protocol::limits::CLOCK_SKEW_MAX;

use super::{duration, finding};
use crate::net::report::NetReport;

/// From here the clock is worth a word: far over what a network and whole seconds make of it.
const SKEW_WORTH_TELLING_MS: u64 = 5 * 60 * 1000;
/// A warning for the status, if peers say that this node's clock is wrong by so much that what it
/// sends is refused, or what others send.
pub(in crate::control) fn clock_warning(net: &NetReport) -> Option<String> {
    let finding = clock(net).filter(|finding| finding.severity == Severity::Error)?;
    Some(format!("{}; {}", finding.problem, finding.advice))
}

const CLOCK_ADVICE: &str = "set the clock (timedatectl set-ntp true, or date --set); what waits then goes on \
                            by itself";

/// What is wrong where the clock jumped.
pub(super) fn jumped(doubt: &ClockDoubt) -> Option<Finding> {
    let ClockDoubt { ahead_ms, jumped_ms } = *doubt;
    let told = if ahead_ms == 0 { jumped_ms } else { ahead_ms };
    let direction = if told > 0 { "ahead" } else { "back" };
    let by = duration(told.unsigned_abs());
    if ahead_ms == 0 {
        let problem = format!("this node's clock was set {by} {direction} within the last hour");
        return finding(FindingCode::ClockSkew, Severity::Warning, problem, CLOCK_ADVICE);
    }
    let problem = format!(
        "this node's clock jumped {by} {direction}; the node goes on by the time before that until a peer agrees with the clock"
    );
    finding(FindingCode::ClockSkew, Severity::Error, problem, CLOCK_ADVICE)
}

/// The warning of a clock that jumped, for the status.
pub(in crate::control) fn jump_warning(doubt: &ClockDoubt) -> Option<String> {
    let finding = jumped(doubt)?;
    Some(format!("{}; {}", finding.problem, finding.advice))
}

/// What is wrong by what peers say, or send.
pub(super) fn clock(net: &NetReport) -> Option<Finding> {
    let advice = CLOCK_ADVICE;
    if let Some(ahead) = net.clock_ahead_ms {
        let off = ahead.unsigned_abs();
        let severity = match off {
            ..SKEW_WORTH_TELLING_MS => return None,
            off if u128::from(off) < CLOCK_SKEW_MAX.as_millis() => Severity::Warning,
            _ => Severity::Error,
        };
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        let problem = format!("this node's clock is {} {direction} its peers'", duration(off));
        return finding(FindingCode::ClockSkew, severity, problem, advice);
    }
    // Nobody has told the time; what they send tells too.
    let seen = net.far_future + net.taken;
    if seen < FAR_FUTURE_SAMPLE_MIN || net.far_future < net.taken {
        return None;
    }
    let problem = format!(
        "{} of the last {seen} envelopes were refused since they seem to end too late: this node's clock is probably behind",
        net.far_future
    );
    finding(FindingCode::ClockSkew, Severity::Warning, problem, advice)
}
