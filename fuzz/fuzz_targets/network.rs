//! A network descriptor, as a file or on one line, or in an invite.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::invite::Invite;
use martlet_protocol::network::NetworkDescriptor;

fuzz_target!(|text: &str| {
    if let Ok(invite) = text.parse::<Invite>() {
        let link = invite.to_link().expect("it came as a link");
        assert_eq!(link.parse::<Invite>(), Ok(invite));
    }
    let Ok(network) = NetworkDescriptor::read(text) else { return };
    assert_eq!(network.validate(), Ok(()));
    assert_eq!(NetworkDescriptor::from_toml(&network.to_toml()).as_ref(), Ok(&network));
    if let Ok(text) = network.to_text() {
        assert_eq!(NetworkDescriptor::from_text(&text), Ok(network));
    }
});
