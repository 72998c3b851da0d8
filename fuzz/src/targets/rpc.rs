//! What ResourceManager and NodeManager send: frames, headers, exceptions, and the offers of SASL.

use std::sync::LazyLock;

use hadoop_rpc::testing::{answers, handshake};
use hadoop_rpc::{Auth, Token};

use crate::{Target, accepted, line, refused};

/// All that a server sends on one connection before it closes it.
///
/// Every call has an outcome, and no more is handed out than came. A server that does not know the token is never
/// believed, is never sent the password, and gets no more than a bounded answer. Without authentication nothing that
/// a server sends changes what it is sent.
pub const TARGET: Target = Target { name: "rpc", check, verdict };

const CALLS: u32 = 3;
const PASSWORD: &[u8] = b"the password of a token";

/// What a server that says nothing is sent.
static SIMPLE: LazyLock<Vec<u8>> = LazyLock::new(|| handshake(b"", &Auth::Simple { user: "ann".to_owned() }).1);

fn token() -> Auth {
    let password = PASSWORD.to_vec();
    Auth::Token(Token { identifier: b"identifier".to_vec(), password, kind: "K".to_owned(), service: String::new() })
}

fn check(bytes: &[u8]) {
    let told = answers(bytes, CALLS);
    assert_eq!(told.len(), CALLS as usize);
    let taken: usize = told.iter().flatten().map(|answer| answer.len()).sum();
    assert!(taken <= bytes.len(), "{taken} of {}", bytes.len());
    for why in told.iter().filter_map(|told| told.as_ref().err()) {
        assert!(!why.is_empty() && why.len() <= 5 * 4096, "{} bytes", why.len());
        assert!(!why.chars().any(|c| c.is_control() && c != '\n'), "{why:?}");
    }
    let (outcome, written) = handshake(bytes, &token());
    assert!(outcome.is_err(), "a server that knows no password was believed");
    assert!(written.len() <= 4096 + 4 * bytes.len(), "{} bytes for {}", written.len(), bytes.len());
    assert!(!written.windows(PASSWORD.len()).any(|window| window == PASSWORD), "the password was sent");
    let ann = Auth::Simple { user: "ann".to_owned() };
    let (outcome, written) = handshake(bytes, &ann);
    assert!(outcome.is_ok() && written == *SIMPLE, "{outcome:?}");
}

fn verdict(bytes: &[u8]) -> String {
    let told = answers(bytes, CALLS);
    let count = told.iter().filter(|told| told.is_ok()).count();
    let why = told.iter().find_map(|told| told.as_ref().err());
    let calls = match why {
        Some(why) => format!("{count} of {CALLS} calls answered, then {why}"),
        None => format!("{count} calls answered"),
    };
    let shaken = handshake(bytes, &token()).0.err().map(|error| refused(&error)).unwrap_or_default();
    let shaken = shaken.strip_prefix("refused: ").unwrap_or_default().to_owned();
    if count > 0 { accepted(calls) } else { line(&format!("refused: {calls}; as a handshake: {shaken}")) }
}
