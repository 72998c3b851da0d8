//! Where the ResourceManagers are, by Hadoop's configuration (`YarnConfiguration`, `HAUtil`).

use hadoop_rpc::{Address, AddressError, Conf};

/// A configuration from which the ResourceManagers cannot be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Neither an address nor a host is set.
    #[error("{property} is not set, nor is {hostname}: set one of them in yarn-site.xml")]
    Missing {
        /// The address.
        property: String,
        /// The host that would do as well.
        hostname: String,
    },
    /// High availability without ResourceManagers.
    #[error("yarn.resourcemanager.ha.enabled is true, and yarn.resourcemanager.ha.rm-ids names none")]
    NoIds,
    /// An address that is none.
    #[error("{property} is wrong")]
    Address {
        /// The property.
        property: String,
        /// Why.
        #[source]
        source: AddressError,
    },
}

/// For clients: `yarn.resourcemanager.address`, by default port 8032 of `yarn.resourcemanager.hostname`; one for each
/// ResourceManager with high availability.
pub fn rm_addresses(conf: &Conf) -> Result<Vec<Address>, ConfigError> {
    addresses(conf, "yarn.resourcemanager.address", 8032)
}

/// For application masters: `yarn.resourcemanager.scheduler.address`, by default port 8030.
pub fn scheduler_addresses(conf: &Conf) -> Result<Vec<Address>, ConfigError> {
    addresses(conf, "yarn.resourcemanager.scheduler.address", 8030)
}

/// Web servers: `yarn.resourcemanager.webapp.address`, by default port 8088.
pub fn webapp_addresses(conf: &Conf) -> Result<Vec<Address>, ConfigError> {
    addresses(conf, "yarn.resourcemanager.webapp.address", 8088)
}

fn addresses(conf: &Conf, property: &str, port: u16) -> Result<Vec<Address>, ConfigError> {
    let enabled = conf.get("yarn.resourcemanager.ha.enabled").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    if !enabled {
        return address(conf, property, "", port).map(|address| vec![address]);
    }
    let ids = conf.list("yarn.resourcemanager.ha.rm-ids");
    if ids.is_empty() {
        return Err(ConfigError::NoIds);
    }
    ids.iter().map(|id| address(conf, property, &format!(".{id}"), port)).collect()
}

fn address(conf: &Conf, property: &str, suffix: &str, port: u16) -> Result<Address, ConfigError> {
    let property = format!("{property}{suffix}");
    let hostname = format!("yarn.resourcemanager.hostname{suffix}");
    if let Some(text) = conf.get(&property) {
        let text = if text.contains(':') { text } else { format!("{text}:{port}") };
        return text.parse().map_err(|source| ConfigError::Address { property, source });
    }
    match conf.get(&hostname) {
        // What could not stand before a port is no host.
        Some(host) => {
            let text = Address { host, port }.to_string();
            text.parse().map_err(|source| ConfigError::Address { property: hostname, source })
        }
        None => Err(ConfigError::Missing { property, hostname }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(pairs: &[(&str, &str)]) -> Conf {
        let mut conf = Conf::default();
        pairs.iter().for_each(|(name, value)| conf.set(*name, *value));
        conf
    }

    fn texts(addresses: Vec<Address>) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_host_alone_is_enough() {
        let conf = conf(&[("yarn.resourcemanager.hostname", "rm")]);
        assert_eq!(texts(rm_addresses(&conf).unwrap()), ["rm:8032"]);
        assert_eq!(texts(scheduler_addresses(&conf).unwrap()), ["rm:8030"]);
        assert_eq!(texts(webapp_addresses(&conf).unwrap()), ["rm:8088"]);
    }

    #[test]
    fn each_of_several_resource_managers_has_its_own() {
        let conf = conf(&[
            ("yarn.resourcemanager.ha.enabled", "true"),
            ("yarn.resourcemanager.ha.rm-ids", "a, b"),
            ("yarn.resourcemanager.hostname.a", "h1"),
            ("yarn.resourcemanager.hostname.b", "h2"),
            ("yarn.resourcemanager.scheduler.address.b", "${yarn.resourcemanager.hostname.b}:9"),
        ]);
        assert_eq!(texts(scheduler_addresses(&conf).unwrap()), ["h1:8030", "h2:9"]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let missing = rm_addresses(&Conf::default()).unwrap_err().to_string();
        assert!(missing.contains("yarn.resourcemanager.address is not set"), "{missing}");
        let none = conf(&[("yarn.resourcemanager.ha.enabled", "true")]);
        assert_eq!(rm_addresses(&none), Err(ConfigError::NoIds));
        let wrong = conf(&[("yarn.resourcemanager.address", "${x}:1")]);
        assert!(matches!(rm_addresses(&wrong), Err(ConfigError::Address { .. })));
        for host in ["rm 1", "rm/x", "${rm}", "http://rm"] {
            let wrong = rm_addresses(&conf(&[("yarn.resourcemanager.hostname", host)]));
            assert!(matches!(wrong, Err(ConfigError::Address { .. })), "{host}: {wrong:?}");
        }
    }
}
