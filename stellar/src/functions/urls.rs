//! URLs, as java.net.URL takes them apart, and addresses.

use std::net::{IpAddr, Ipv4Addr};

use super::{Group, text};
use crate::evaluate::Call;
use crate::value::Value;

pub(super) const ALL: Group = &[
    ("URL_TO_HOST", |_, arguments| part(arguments, |url| url.host.into())),
    ("URL_TO_PORT", |_, arguments| part(arguments, |url| Value::Int(url.port.unwrap_or(url.default_port)))),
    ("URL_TO_PATH", |_, arguments| part(arguments, |url| url.path.into())),
    ("URL_TO_PROTOCOL", |_, arguments| part(arguments, |url| url.protocol.into())),
    ("IS_URL", |_, arguments| {
        Ok(text(arguments, 0, "url")?.and_then(Url::parse).is_some_and(|url| !url.host.is_empty()).into())
    }),
    ("IS_IP", |_, arguments| {
        let Some(address) = text(arguments, 0, "address")?.and_then(|text| text.parse::<IpAddr>().ok()) else {
            return Ok(false.into());
        };
        let kind = arguments.get(1).and_then(Value::as_text).unwrap_or("BOTH");
        Ok(match kind.to_ascii_uppercase().as_str() {
            "IPV4" => address.is_ipv4(),
            "IPV6" => address.is_ipv6(),
            _ => true,
        }
        .into())
    }),
    ("IN_SUBNET", in_subnet),
];

struct Url {
    protocol: String,
    host: String,
    port: Option<i32>,
    /// -1 where the protocol has none.
    default_port: i32,
    path: String,
}

impl Url {
    /// None where java.net.URL throws: no protocol, or one that Java has no handler for, or a bad port.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(|c| c <= ' ');
        let text = text.strip_prefix("url:").unwrap_or(text);
        let (protocol, rest) = text.split_once(':')?;
        let protocol = protocol.to_ascii_lowercase();
        let default_port = match protocol.as_str() {
            "http" => 80,
            "https" => 443,
            "ftp" => 21,
            "file" | "jar" | "mailto" => -1,
            _ => return None,
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
        let (host, port, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at_checked(end)?;
                let (host, port) = host_and_port(authority)?;
                (host, port, path)
            }
            None => ("", None, rest),
        };
        Some(Self { protocol, host: host.to_owned(), port, default_port, path: path.to_owned() })
    }
}

fn host_and_port(authority: &str) -> Option<(&str, Option<i32>)> {
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let (host, port) = if address.starts_with('[') {
        let end = address.find(']')? + 1;
        let (host, rest) = address.split_at_checked(end)?;
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
    } else {
        match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        }
    };
    match port.filter(|port| !port.is_empty()) {
        None => Some((host, None)),
        // -1 is what Java takes for none.
        Some(port) => match port.parse::<i32>().ok()? {
            port if port >= 0 => Some((host, Some(port))),
            -1 => Some((host, None)),
            _ => None,
        },
    }
}

fn part(arguments: &[Value], part: fn(Url) -> Value) -> Result<Value, String> {
    Ok(text(arguments, 0, "url")?.and_then(Url::parse).map_or(Value::Null, part))
}

/// Like commons-net's SubnetUtils: the network's own and its broadcast address are not in it. A network of one or two
/// addresses, in which nothing is by that rule, holds them here.
fn in_subnet(_: &Call<'_>, arguments: &[Value]) -> Result<Value, String> {
    let address = text(arguments, 0, "address")?;
    text(arguments, 1, "network")?;
    let Some(address) = address else { return Ok(false.into()) };
    let number = |text: &str| text.parse::<Ipv4Addr>().map(u32::from).map_err(|_| format!("{text} is no IPv4 address"));
    let address = number(address)?;
    for place in 1..arguments.len() {
        let Some(network) = text(arguments, place, "network")? else { continue };
        let bad = || format!("{network} is no network: write it as 10.0.0.0/8");
        let (base, bits) = network.split_once('/').ok_or_else(bad)?;
        let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32).ok_or_else(bad)?;
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        let (first, last) = (number(base)? & mask, number(base)? | !mask);
        let within = if bits >= 31 { first..=last } else { first + 1..=last - 1 };
        if within.contains(&address) {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}
