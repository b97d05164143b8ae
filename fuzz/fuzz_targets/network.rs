//! A network descriptor.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::network::NetworkDescriptor;

fuzz_target!(|text: &str| {
    let Ok(network) = NetworkDescriptor::from_toml(text) else { return };
    assert_eq!(network.validate(), Ok(()));
    let again = toml::to_string(&network).unwrap();
    assert_eq!(NetworkDescriptor::from_toml(&again), Ok(network));
});
