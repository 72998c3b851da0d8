//! Metron's own format, to the byte: what its Java clients (Curator 2.7, Jackson 1.9) read. They refuse unknown
//! fields, and one record that they can't read freezes their whole view, so nothing may be added here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The class that Jackson is told to make of the payload.
const CLASS: &str = "org.apache.metron.maas.config.ModelEndpoint";

/// Curator's `ServiceInstance` of one model instance, its fields in the order in which Jackson writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceInstance {
    /// The model's name.
    pub name: String,
    /// The name of the znode.
    pub id: String,
    /// The URL's host.
    #[serde(default)]
    pub address: Option<String>,
    /// The URL's port; -1 when it names none.
    #[serde(default)]
    pub port: Option<i32>,
    /// Always null.
    #[serde(default)]
    pub ssl_port: Option<i32>,
    /// The endpoint.
    pub payload: ModelEndpoint,
    /// Milliseconds since the epoch.
    #[serde(default, rename = "registrationTimeUTC")]
    pub registration_time_utc: i64,
    /// STATIC, as Metron writes it.
    #[serde(default = "static_type")]
    pub service_type: String,
    /// Always null.
    #[serde(default)]
    pub uri_spec: Option<String>,
}

/// `org.apache.metron.maas.config.ModelEndpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelEndpoint {
    /// The class, required by the clients.
    #[serde(rename = "@class", default = "class")]
    pub class: String,
    /// Where it answers.
    pub endpoint: Url,
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The same as the instance's id.
    pub container_id: String,
}

/// A URL and the paths of functions below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Url {
    /// The URL.
    pub url: String,
    /// Paths by function.
    #[serde(default)]
    pub functions: BTreeMap<String, String>,
}

fn static_type() -> String {
    "STATIC".to_owned()
}

fn class() -> String {
    CLASS.to_owned()
}

impl ServiceInstance {
    /// The record of an instance that answers at `url`.
    #[must_use]
    pub fn new(
        model: &str,
        version: &str,
        container: &str,
        url: &str,
        functions: BTreeMap<String, String>,
        registered_ms: i64,
    ) -> Self {
        let (address, port) = host_and_port(url);
        Self {
            name: model.to_owned(),
            id: container.to_owned(),
            address: Some(address),
            port: Some(port),
            ssl_port: None,
            payload: ModelEndpoint {
                class: class(),
                endpoint: Url { url: url.to_owned(), functions },
                name: model.to_owned(),
                version: version.to_owned(),
                container_id: container.to_owned(),
            },
            registration_time_utc: registered_ms,
            service_type: static_type(),
            uri_spec: None,
        }
    }

    /// As the znode holds it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Only maps with keys other than texts fail, and there are none.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From what a znode holds; none for what Metron's own clients could not read either.
    #[must_use]
    pub fn decode(data: &[u8]) -> Option<Self> {
        serde_json::from_slice(data).ok()
    }
}

/// As `java.net.URL.getHost` and `getPort` say it.
fn host_and_port(url: &str) -> (String, i32) {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let port_at = authority.rfind(':').filter(|at| !authority.get(*at..).unwrap_or_default().contains(']'));
    match port_at.and_then(|at| authority.split_at_checked(at)) {
        Some((host, port)) => (host.to_owned(), port.get(1..).and_then(|p| p.parse().ok()).unwrap_or(-1)),
        None => (authority.to_owned(), -1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_that_metron_wrote() {
        let captured = r#"{"name":"dga","id":"2","address":"localhost","port":44449,"sslPort":null,"payload":{"@class":"org.apache.metron.maas.config.ModelEndpoint","endpoint":{"url":"http://localhost:44449","functions":{"apply":"apply"}},"name":"dga","version":"1.0","containerId":"2"},"registrationTimeUTC":1795490254075,"serviceType":"STATIC","uriSpec":null}"#;
        let functions = BTreeMap::from([("apply".to_owned(), "apply".to_owned())]);
        let ours = ServiceInstance::new("dga", "1.0", "2", "http://localhost:44449", functions, 1_795_490_254_075);
        assert_eq!(String::from_utf8(ours.encode()).unwrap(), captured);
        assert_eq!(ServiceInstance::decode(captured.as_bytes()), Some(ours));
    }

    #[test]
    fn a_url_without_a_port_has_port_minus_one() {
        assert_eq!(host_and_port("http://localhost/base/path?q=1"), ("localhost".to_owned(), -1));
        assert_eq!(host_and_port("http://[::1]:80/x"), ("[::1]".to_owned(), 80));
        assert_eq!(host_and_port("http://[::1]/x"), ("[::1]".to_owned(), -1));
        assert_eq!(host_and_port(""), (String::new(), -1));
    }
}
