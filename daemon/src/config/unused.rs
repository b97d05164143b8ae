//! What is set that has no effect.

use martlet_protocol::network::NetworkDescriptor;

use super::Settings;

impl Settings {
    /// That something is set that a network does not use, if it is.
    pub(super) fn unused(&self, network: &NetworkDescriptor) -> Option<String> {
        let announces = self.announce.as_ref().is_some_and(|addresses| !addresses.is_empty());
        let set = [
            ("announce", announces),
            ("relay_server", self.relay_server == Some(true)),
            ("autonat_server", self.autonat_server == Some(true)),
            ("upnp", self.upnp == Some(true)),
        ];
        let keys: Vec<&str> =
            set.iter().filter(|(_, is_set)| *is_set).map(|(key, _)| *key).collect();
        (network.lan_only && !keys.is_empty()).then(|| {
            format!(
                "the network {:?} is lan_only, where this is not used: {}. Take it out, or use a network with lan_only = false",
                network.name,
                keys.join(", ")
            )
        })
    }
}
