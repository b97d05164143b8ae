//! Why nothing came of a linking, in words that fit both devices.

use martlet_protocol::control::LinkReason;

/// Why; `by` is the other device, if it was the one to say so.
pub(super) fn why(reason: Option<LinkReason>, by: Option<&str>) -> String {
    let on = by.map(|by| format!(" on {by}")).unwrap_or_default();
    match reason.unwrap_or(LinkReason::Other) {
        LinkReason::Cancelled => format!("it was broken off{on}"),
        LinkReason::NumbersDiffer => {
            "the numbers differed; someone may have been in between, so make another code, and don't show it to others".to_owned()
        }
        LinkReason::Used => {
            "the code had been used, or had ended; make another one on the device with the root: martletctl device link".to_owned()
        }
        LinkReason::Disturbed => {
            "two devices came by the code, or two answered; whoever else saw it may have been one of them, or the new device came \
             twice since its daemon restarted"
                .to_owned()
        }
        LinkReason::Commitment => {
            "what the new device sent did not fit together; someone may have been in between".to_owned()
        }
        LinkReason::Malformed => "what came by the code was malformed".to_owned(),
        LinkReason::Certified => "the new device belongs to an identity already".to_owned(),
        LinkReason::Limit => "you have as many devices as there can be; revoke one".to_owned(),
        LinkReason::NameTaken => {
            "another device of yours has this name; the code is still good: run the same again with another --name".to_owned()
        }
        LinkReason::Other => format!("it failed{on}"),
    }
}
