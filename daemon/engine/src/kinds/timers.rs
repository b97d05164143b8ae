//! Timers of a conversation's messages: it says how long they live from now on, and they do. Which counts of several is
//! in `timeline/timers.rs`.

use martlet_protocol::message::{Content, Timers};
use martlet_store::records::Body;

/// Timers as they are kept.
pub(super) fn body(timers: Timers) -> Body {
    Body::Timers(timers)
}

/// Timers as they are sent.
pub(super) fn content(timers: Timers) -> Content {
    Content::Timers(timers)
}

/// What stands where the message is; who set them stands beside it.
pub(super) fn shown(timers: &Timers) -> String {
    match (timers.expire_s, timers.burn_s) {
        (None, None) => "set messages not to end".to_owned(),
        (Some(expire), None) => format!("set messages to end after {}", in_words(expire)),
        (None, Some(burn)) => format!("set messages to end {} after they are read", in_words(burn)),
        (Some(expire), Some(burn)) => format!(
            "set messages to end after {}, and {} after they are read",
            in_words(expire),
            in_words(burn)
        ),
    }
}

/// `1 d 2 h`, `90 s` as `1 min 30 s`.
pub(super) fn in_words(seconds: u32) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    parts.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_told_in_words() {
        let shown = |expire_s, burn_s| shown(&Timers { expire_s, burn_s });
        assert_eq!(shown(None, None), "set messages not to end");
        assert_eq!(shown(Some(93_600), None), "set messages to end after 1 d 2 h");
        assert_eq!(shown(None, Some(90)), "set messages to end 1 min 30 s after they are read");
        assert_eq!(
            shown(Some(518_400), Some(1)),
            "set messages to end after 6 d, and 1 s after they are read"
        );
    }
}
