//! The patterns that come with the program.

/// The text of a pattern file, by the path that configs name it by.
#[must_use]
pub fn pattern(path: &str) -> Option<&'static str> {
    match path {
        "/patterns/common" => Some(include_str!("../patterns/common")),
        "/patterns/squid" => Some(include_str!("../patterns/squid")),
        _ => None,
    }
}
