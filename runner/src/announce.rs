//! The announcement: the small JSON file in which a model says where it listens.
//!
//! The format is Metron's `endpoint.dat` (ModelEndpoint.Endpoint: `url`, `functions`). Of the address, scheme, port,
//! path and query are the model's to say; the host never is: whoever may publish another host's address may send the
//! callers' data anywhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use serde::Deserialize;

/// An announcement longer than this is refused; Metron's are below 200 bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Longest path and query that are taken over.
const MAX_TARGET: usize = 2048;

/// Why an announcement can't be used. Each may be mended by the model's writing the file again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no file yet, or it is still empty.
    #[error("nothing announced yet")]
    Missing,
    /// The file can't be read.
    #[error("can't read the announcement: {0}")]
    Unreadable(String),
    /// Not JSON with a `url`, or a URL that can't be served: maybe half-written.
    #[error("the announcement can't be used: {0}")]
    Invalid(String),
    /// The URL names another machine.
    #[error("the announcement names host \"{0}\", which is not this node; announce localhost or 0.0.0.0")]
    OtherHost(String),
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP, port 80 unless said.
    Http,
    /// HTTP over TLS, port 443 unless said.
    Https,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Where the model listens, with the host as it stood in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// How to call it.
    pub scheme: Scheme,
    /// The announced host, lower-cased, without brackets; see [`Announcement::belongs_to`].
    pub host: String,
    /// The port as written, none when the URL has none.
    pub stated_port: Option<u16>,
    /// Path and query as written; empty or starting with `/` or `?`.
    pub target: String,
    /// Function alias to path.
    pub functions: BTreeMap<String, String>,
}

impl Announcement {
    /// The port to call.
    pub fn port(&self) -> u16 {
        self.stated_port.unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    /// Refuses the announcement unless its host is a way to say "here" on `node`: a wildcard, a loopback address, the
    /// node's name or one of its own addresses.
    ///
    /// # Errors
    /// [`Refused::OtherHost`].
    pub fn belongs_to(&self, node: &str) -> Result<(), Refused> {
        let here = match self.host.parse::<IpAddr>() {
            // Binding is the kernel's own answer to "is this address one of mine"; wildcards bind too.
            Ok(ip) => ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok(),
            Err(_) => {
                let short = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
                self.host == "localhost"
                    || self.host.eq_ignore_ascii_case(node)
                    || (self.host == short(node) && node.parse::<IpAddr>().is_err())
                    || own_name().is_some_and(|own| self.host.eq_ignore_ascii_case(&own))
            }
        };
        if here { Ok(()) } else { Err(Refused::OtherHost(self.host.clone())) }
    }

    /// The URL to publish: the announced one, on `node`. Port and target stay as the model wrote them, as Metron did.
    pub fn url_on(&self, node: &str) -> String {
        let host = if node.contains(':') { format!("[{node}]") } else { node.to_owned() };
        let port = self.stated_port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}", self.scheme.as_str(), self.target)
    }
}

fn own_name() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned())
}

/// Reads the announcement at `path`; at most 64 KiB of it, and nothing that is not a file (a FIFO would block).
///
/// # Errors
/// [`Refused::Missing`] while there is nothing, otherwise why it can't be used. The caller looks again.
pub fn read(path: &Path) -> Result<Announcement, Refused> {
    let unreadable = |error: std::io::Error| Refused::Unreadable(error.to_string());
    let file = std::fs::OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Refused::Missing),
        Err(error) => return Err(unreadable(error)),
    };
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Refused::Unreadable("it is not a regular file".to_owned()));
    }
    let bytes = read_bounded(file).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Refused::Invalid(format!("it is larger than {} KiB", MAX_BYTES / 1024)));
    }
    parse(&bytes)
}

fn read_bounded(file: File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

// Metron refuses unknown fields; here they are passed over, so that a model may tell other tools more.
#[derive(Deserialize)]
struct Wire {
    url: String,
    functions: Option<BTreeMap<String, String>>,
}

/// Reads an announcement's bytes. `functions` defaults to `apply` at path `apply` and replaces that whole when given
/// (both as Metron).
///
/// # Errors
/// [`Refused::Missing`] for blank bytes, otherwise [`Refused::Invalid`].
pub fn parse(bytes: &[u8]) -> Result<Announcement, Refused> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Refused::Missing);
    }
    let file: Wire = serde_json::from_slice(bytes)
        .map_err(|error| Refused::Invalid(format!("{error}; it should be {{\"url\": \"http://localhost:<port>\"}}")))?;
    let functions = file.functions.unwrap_or_else(|| BTreeMap::from([("apply".to_owned(), "apply".to_owned())]));
    parse_url(&file.url, functions).map_err(|what| Refused::Invalid(format!("url {:?}: {what}", clip(&file.url))))
}

fn clip(text: &str) -> String {
    text.chars().take(120).collect()
}

fn parse_url(url: &str, functions: BTreeMap<String, String>) -> Result<Announcement, &'static str> {
    let (scheme, rest) = url.split_once("://").ok_or("it has no scheme; write http://localhost:<port>")?;
    let scheme = if scheme.eq_ignore_ascii_case("http") {
        Scheme::Http
    } else if scheme.eq_ignore_ascii_case("https") {
        Scheme::Https
    } else {
        return Err("only http and https can be served");
    };
    let authority_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(authority_ends);
    // A fragment never goes over the wire.
    let target = target.split('#').next().unwrap_or_default();
    if target.len() > MAX_TARGET {
        return Err("its path is too long");
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte)) {
        return Err("its path has characters that must be percent-encoded");
    }
    if authority.contains('@') {
        return Err("it carries a user name or password; these would be published");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']').ok_or("its IPv6 address lacks a closing bracket")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("its IPv6 address is not one");
            }
            (host, port)
        }
        None => {
            let host_ends = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at(host_ends);
            if host.is_empty() {
                return Err("it has no host; write localhost");
            }
            if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
                return Err("its host is not a host name");
            }
            (host, port)
        }
    };
    let stated_port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return Err("there is something between its host and its port"),
        Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => match digits.parse::<u16>() {
            Ok(0) => return Err("port 0 means \"any\"; write the port that was bound"),
            Ok(port) => Some(port),
            Err(_) => return Err("its port is above 65535"),
        },
        Some(_) => return Err("its port is not a number"),
    };
    Ok(Announcement { scheme, host: host.to_ascii_lowercase(), stated_port, target: target.to_owned(), functions })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(url: &str) -> Result<Announcement, Refused> {
        parse(serde_json::json!({ "url": url }).to_string().as_bytes())
    }

    #[track_caller]
    fn published(announced: &str, on: &str) {
        let announcement = url(announced).unwrap();
        announcement.belongs_to("node7.example.com").unwrap();
        assert_eq!(announcement.url_on("node7.example.com"), on);
    }

    #[test]
    fn what_stands_in_the_seeds_example_is_taken() {
        let announcement = parse(br#"{"url" : "http://0.0.0.0:1500"}"#).unwrap();
        assert_eq!(announcement.url_on("n1"), "http://n1:1500");
        assert_eq!(announcement.functions, BTreeMap::from([("apply".to_owned(), "apply".to_owned())]));
    }

    #[test]
    fn every_way_to_say_here_becomes_the_node() {
        published("http://localhost:5000", "http://node7.example.com:5000");
        published("http://127.0.0.1:5000/", "http://node7.example.com:5000/");
        published("HTTP://[::]:5000/base/path?q=1", "http://node7.example.com:5000/base/path?q=1");
        published("https://[::1]/x#part", "https://node7.example.com/x");
        published("http://node7.example.com:1", "http://node7.example.com:1");
        published("http://NODE7:1", "http://node7.example.com:1");
        published("http://localhost:", "http://node7.example.com");
        published("http://0.0.0.0?x", "http://node7.example.com?x");
    }

    #[test]
    fn another_host_is_refused() {
        for other in ["http://169.254.169.254/latest", "http://example.org:80", "http://node8.example.com:1"] {
            let announcement = url(other).unwrap();
            assert!(matches!(announcement.belongs_to("node7.example.com"), Err(Refused::OtherHost(_))), "{other}");
        }
    }

    #[test]
    fn urls_that_can_not_be_served_are_refused() {
        for bad in [
            "",
            "localhost:5000",
            "ftp://localhost:21",
            "http://",
            "http://:5000",
            "http://localhost:0",
            "http://localhost:65536",
            "http://localhost:-1",
            "http://localhost:5000x",
            "http://user:pw@localhost:5000",
            "http://[::1:5000",
            "http://[x]:5000",
            "http://[::1]x:5000",
            "http://loc alhost",
            "http://localhost/a b",
            "http://localhost/\u{e9}",
            "http://localhost/\r\nX: y",
            "http://localhost%00",
            "javascript://localhost",
        ] {
            assert!(matches!(url(bad), Err(Refused::Invalid(_))), "{bad:?} was taken");
        }
    }

    #[test]
    fn functions_replace_the_default_whole() {
        let given = parse(br#"{"url":"http://localhost:1","functions":{"score":"v1/score"}}"#).unwrap();
        assert_eq!(given.functions, BTreeMap::from([("score".to_owned(), "v1/score".to_owned())]));
        let none = parse(br#"{"url":"http://localhost:1","functions":{}}"#).unwrap();
        assert!(none.functions.is_empty());
        let unknown = parse(br#"{"url":"http://localhost:1","pid":17}"#).unwrap();
        assert_eq!(unknown.functions.len(), 1);
    }

    #[test]
    fn half_a_file_is_invalid_and_a_blank_one_is_missing() {
        assert_eq!(parse(b""), Err(Refused::Missing));
        assert_eq!(parse(b" \n"), Err(Refused::Missing));
        assert!(matches!(parse(br#"{"url":"http://local"#), Err(Refused::Invalid(_))));
    }

    #[test]
    fn a_huge_file_a_directory_and_a_fifo_do_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("endpoint.dat");
        assert_eq!(read(&file), Err(Refused::Missing));
        std::fs::write(&file, vec![b' '; 3 << 20]).unwrap();
        assert!(matches!(read(&file), Err(Refused::Invalid(_))));
        assert!(matches!(read(dir.path()), Err(Refused::Unreadable(_))));
        let fifo = dir.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert!(matches!(read(&fifo), Err(Refused::Unreadable(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_url_makes_it_panic_nor_publishes_another_host(text in "[ -~]{0,10}(://)?[\\[\\]@:/?#a-z0-9.é-]{0,60}") {
            if let Ok(announcement) = url(&text)
                && announcement.belongs_to("node").is_ok()
            {
                let on = announcement.url_on("node");
                let rest = on.split_once("://").unwrap().1;
                let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
                prop_assert_eq!(authority.split(':').next().unwrap(), "node");
            }
        }

        #[test]
        fn scheme_port_and_target_survive(port in 1u16.., path in "(/[a-z0-9._~%-]{0,8}){0,4}", https: bool) {
            let scheme = if https { "https" } else { "http" };
            let announcement = url(&format!("{scheme}://localhost:{port}{path}")).unwrap();
            prop_assert_eq!(announcement.port(), port);
            prop_assert_eq!(announcement.url_on("n"), format!("{scheme}://n:{port}{path}"));
        }
    }
}
