//! Where the root of the identity is.

use martlet_protocol::control::RootHeld;

use super::Said;

pub(super) fn tell(held: RootHeld, said: &mut Said) {
    match held {
        RootHeld::Here => said.say(
            "root-here",
            "The root of your identity is in this vault: who opens it can link and revoke devices, and end your identity. \
             martletctl account lock-root leaves it in your recovery phrase alone.",
        ),
        RootHeld::Linked => said.say(
            "root-linked",
            "The root of your identity is not here, and never was: this device was linked. Who opens this vault can link and \
             revoke no other device.",
        ),
        RootHeld::Locked => said.say(
            "root-locked",
            "The root of your identity is not here any more: it is in your recovery phrase alone. Who opens this vault can link \
             and revoke no other device.",
        ),
    }
}
