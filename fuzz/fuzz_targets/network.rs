//! A network descriptor, as a file or on one line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::network::NetworkDescriptor;

fuzz_target!(|text: &str| {
    let Ok(network) = NetworkDescriptor::read(text) else { return };
    assert_eq!(network.validate(), Ok(()));
    assert_eq!(NetworkDescriptor::from_toml(&network.to_toml()).as_ref(), Ok(&network));
    if let Ok(text) = network.to_text() {
        assert_eq!(NetworkDescriptor::from_text(&text), Ok(network));
    }
});
