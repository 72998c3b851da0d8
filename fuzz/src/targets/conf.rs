//! Hadoop's `*-site.xml`, and what is looked up in them.

use std::path::Path;

use hadoop_rpc::Conf;
use hadoop_yarn::config::{rm_addresses, scheduler_addresses, webapp_addresses};

use crate::{Target, accepted, refused};

/// A file read twice says the same; a value with all its variables is bounded; what a property names is found without
/// leaving the file; addresses that are found read back.
pub const TARGET: Target = Target { name: "conf", check, verdict };

/// `Configuration`'s own bound for a value that is put together.
const VALUE: usize = 64 * 1024;
const NAMES: [&str; 8] = [
    "a",
    "b",
    "fs.defaultFS",
    "yarn.resourcemanager.hostname",
    "yarn.resourcemanager.address",
    "yarn.resourcemanager.ha.enabled",
    "yarn.resourcemanager.ha.rm-ids",
    "dfs.nameservices",
];

fn read(text: &str) -> Result<Conf, hadoop_rpc::conf::ConfError> {
    let mut conf = Conf::default();
    conf.add(Path::new("yarn-site.xml"), text).map(|()| conf)
}

fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let conf = match read(text) {
        Ok(conf) => conf,
        Err(error) => {
            assert!(error.to_string().len() < 4096 + text.len(), "{} bytes", error.to_string().len());
            return;
        }
    };
    assert_eq!(read(text).ok().as_ref(), Some(&conf));
    for name in NAMES {
        let Some(value) = conf.get(name) else { continue };
        assert!(value.len() <= VALUE.max(text.len()), "{name} has {} bytes", value.len());
        assert!(!value.is_empty() && value.trim() == value, "{value:?}");
        assert!(conf.list(name).iter().all(|part| !part.is_empty() && !part.contains(',')), "{value}");
    }
    for addresses in [rm_addresses(&conf), scheduler_addresses(&conf), webapp_addresses(&conf)] {
        let Ok(addresses) = addresses else { continue };
        assert!(!addresses.is_empty(), "no ResourceManager is an error");
        for address in addresses {
            assert_eq!(address.to_string().parse(), Ok(address.clone()), "{address:?}");
        }
    }
}

fn verdict(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else { return "refused: not UTF-8".to_owned() };
    match read(text) {
        Ok(conf) => {
            let values = NAMES.iter().filter_map(|name| Some(format!("{name}={}", conf.get(name)?)));
            let values = values.collect::<Vec<_>>().join(", ");
            let addresses = match rm_addresses(&conf) {
                Ok(addresses) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                Err(error) => error.to_string(),
            };
            accepted(format!(
                "{}{}; {addresses}",
                &values.chars().take(120).collect::<String>(),
                if values.len() > 120 { "…" } else { "" }
            ))
        }
        Err(error) => refused(&error),
    }
}
