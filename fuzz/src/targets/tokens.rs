//! Token files of both versions, and tokens as texts.

use hadoop_rpc::{Credentials, Token};

use crate::{Target, accepted, line, refused};

/// What is read is written and read back the same; no file is larger for it; no debug text knows a password.
pub const TARGET: Target = Target { name: "tokens", check, verdict };

fn check(bytes: &[u8]) {
    if let Ok(credentials) = Credentials::from_bytes(bytes) {
        let written = credentials.to_bytes();
        assert!(
            written.len() <= bytes.len() + 16 + 16 * credentials.tokens.len(),
            "{} of {}",
            written.len(),
            bytes.len()
        );
        assert_eq!(Credentials::from_bytes(&written).ok(), Some(credentials.clone()));
        let mut hidden = credentials.clone();
        hidden.tokens.values_mut().for_each(|token| token.password.clear());
        hidden.secrets.values_mut().for_each(Vec::clear);
        assert_eq!(format!("{credentials:?}"), format!("{hidden:?}"));
        credentials.tokens.values().for_each(token);
    }
    if let Some(Ok(read)) = std::str::from_utf8(bytes).ok().map(Token::from_url_string) {
        token(&read);
    }
}

fn token(token: &Token) {
    let text = token.to_url_string();
    assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{text}");
    assert_eq!(Token::from_url_string(&text).ok().as_ref(), Some(token));
}

fn verdict(bytes: &[u8]) -> String {
    let error = match Credentials::from_bytes(bytes) {
        Ok(credentials) => return accepted(format!("{credentials:?}")),
        Err(error) => error,
    };
    match std::str::from_utf8(bytes).map(Token::from_url_string) {
        Ok(Ok(token)) => accepted(format!("{token:?}")),
        Ok(Err(text)) if !bytes.starts_with(b"HDTS") => line(&format!("refused: {error}; {text}")),
        _ => refused(&error),
    }
}
