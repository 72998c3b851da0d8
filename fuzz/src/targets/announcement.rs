//! The file in which a model says where it listens.

use maas_runner::announce::{Announcement, Refused, parse};

use crate::{Target, accepted, refused};

/// Whatever stands in the file, what is published names this node, a port, and a path that cannot end the URL or a
/// header early; and it is announced again as the same.
pub const TARGET: Target = Target { name: "announcement", check, verdict };

const NODE: &str = "node7.example.com";

fn check(bytes: &[u8]) {
    let announcement = match parse(bytes) {
        Ok(announcement) => announcement,
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 4096, "{} bytes", message.len());
            let blank = bytes.iter().all(u8::is_ascii_whitespace);
            assert_eq!(error == Refused::Missing, blank, "{message}");
            return;
        }
    };
    let Announcement { host, target, .. } = &announcement;
    assert!(announcement.port() != 0);
    assert!(target.is_empty() || target.starts_with(['/', '?']), "{target}");
    assert!(target.bytes().all(|b| b.is_ascii_graphic()) && !target.contains('#'), "{target}");
    assert!(!host.is_empty() && !host.contains(['/', '@', '?', '#', '[', ']', ' ']), "{host}");
    for node in [NODE, "fe80::7"] {
        let url = announcement.url_on(node);
        let rest = url.strip_prefix(announcement.scheme.as_str()).and_then(|rest| rest.strip_prefix("://"));
        let bare = rest.map(|rest| rest.trim_start_matches('['));
        let after = bare.and_then(|rest| rest.strip_prefix(node)).map(|rest| rest.trim_start_matches(']'));
        assert!(after.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/', '?'])), "{url}");
        assert!(url.len() <= 2200, "{} bytes", url.len());
        let text = serde_json::json!({ "url": url, "functions": announcement.functions }).to_string();
        let again = parse(text.as_bytes()).map(|again| Announcement { host: host.clone(), ..again });
        assert_eq!(again.as_ref(), Ok(&announcement), "{url}");
    }
    // Only names: an address is asked of the kernel.
    if host.parse::<std::net::IpAddr>().is_err() && !["localhost", "node7", NODE].contains(&host.as_str()) {
        let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        assert!(own.trim().eq_ignore_ascii_case(host) || announcement.belongs_to(NODE).is_err(), "{host}");
    }
}

fn verdict(bytes: &[u8]) -> String {
    match parse(bytes).and_then(|announcement| announcement.belongs_to(NODE).map(|()| announcement)) {
        Ok(announcement) => accepted(format!("{} {:?}", announcement.url_on(NODE), announcement.functions)),
        Err(error) => refused(&error),
    }
}
