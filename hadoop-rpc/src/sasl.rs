//! DIGEST-MD5 (RFC 2831) as Hadoop's token authentication uses it: algorithm md5-sess, quality of protection `auth`.
//! Pure: texts in, texts out.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};

use crate::token::Token;

/// Hadoop's challenges have a few hundred bytes; the RFC allows 2048.
const MAX_CHALLENGE: usize = 2048;

/// Why the authentication cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// The server takes none of what this client can do.
    #[error("the server offers {offered}; {wanted} is needed")]
    NoMethod {
        /// What it offers: method/mechanism.
        offered: String,
        /// What is needed.
        wanted: &'static str,
    },
    /// The cluster demands wrapped traffic.
    #[error(
        "the server demands quality of protection {qop:?}, which is not supported: \
         add authentication to hadoop.rpc.protection"
    )]
    Qop {
        /// What it offers.
        qop: String,
    },
    /// A challenge that is not one of DIGEST-MD5 with md5-sess.
    #[error("the challenge cannot be used: {why}")]
    Challenge {
        /// Why.
        why: String,
    },
    /// The server could not prove that it knows the token's password.
    #[error("the server did not prove that it knows the token: it may be an impostor")]
    ServerProof,
}

fn fault(why: impl Into<String>) -> SaslError {
    SaslError::Challenge { why: why.into() }
}

/// A client's side of one exchange.
#[derive(Debug)]
pub(crate) struct DigestMd5 {
    response: String,
    proof: String,
}

impl DigestMd5 {
    /// Answers `challenge` for a token. `cnonce` must be fresh randomness.
    pub(crate) fn answer(challenge: &[u8], token: &Token, uri: &str, cnonce: &str) -> Result<Self, SaslError> {
        let fields = parse(challenge)?;
        let get = |name: &str| fields.get(name).map(String::as_str);
        let nonce = get("nonce").ok_or_else(|| fault("it has no nonce"))?;
        if get("algorithm") != Some("md5-sess") {
            return Err(fault(format!("algorithm {:?}, not md5-sess", get("algorithm").unwrap_or_default())));
        }
        let qop = get("qop").unwrap_or("auth");
        if !qop.split(',').any(|q| q.trim() == "auth") {
            return Err(SaslError::Qop { qop: qop.to_owned() });
        }
        let realm = get("realm").unwrap_or_default();
        let user = STANDARD.encode(&token.identifier);
        let password = STANDARD.encode(&token.password);
        let secret = Md5::digest(format!("{user}:{realm}:{password}"));
        let mut first = secret.to_vec();
        first.extend(format!(":{nonce}:{cnonce}").bytes());
        let first = hex(&Md5::digest(first));
        let digest = |verb: &str| {
            let second = hex(&Md5::digest(format!("{verb}:{uri}")));
            hex(&Md5::digest(format!("{first}:{nonce}:00000001:{cnonce}:auth:{second}")))
        };
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let response = format!(
            "charset=utf-8,username=\"{user}\",realm=\"{}\",nonce=\"{}\",nc=00000001,cnonce=\"{cnonce}\",\
             digest-uri=\"{}\",maxbuf=65536,response={},qop=auth",
            quoted(realm),
            quoted(nonce),
            quoted(uri),
            digest("AUTHENTICATE"),
        );
        Ok(Self { response, proof: digest("") })
    }

    /// What is sent to the server.
    pub(crate) fn response(&self) -> &str {
        &self.response
    }

    /// Checks the server's own proof, `rspauth=…`.
    pub(crate) fn verify(&self, answer: &[u8]) -> Result<(), SaslError> {
        let fields = parse(answer).map_err(|_| SaslError::ServerProof)?;
        if fields.get("rspauth") == Some(&self.proof) { Ok(()) } else { Err(SaslError::ServerProof) }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn proof(&self) -> String {
        format!("rspauth={}", self.proof)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads `name=value,name="quoted value",…`. A name said twice keeps the first value.
pub(crate) fn parse(text: &[u8]) -> Result<BTreeMap<String, String>, SaslError> {
    if text.len() > MAX_CHALLENGE {
        return Err(fault(format!("{} bytes", text.len())));
    }
    let text = std::str::from_utf8(text).map_err(|_| fault("it is not UTF-8"))?;
    let mut fields = BTreeMap::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| *c == ',' || c.is_whitespace()).is_some() {}
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=') {
            name.push(c);
        }
        if chars.next().is_none() {
            return if name.is_empty() { Ok(fields) } else { Err(fault(format!("{name:?} has no value"))) };
        }
        let mut value = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next() {
                    Some('"') => break,
                    Some('\\') => value.extend(chars.next()),
                    Some(c) => value.push(c),
                    None => return Err(fault(format!("the value of {name:?} does not end"))),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                value.push(c);
            }
        }
        fields.entry(name.trim().to_ascii_lowercase()).or_insert_with(|| value.trim().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHALLENGE: &[u8] =
        br#"realm="default",nonce="n0nce",qop="auth-conf,auth-int,auth",charset=utf-8,algorithm=md5-sess"#;

    fn token() -> Token {
        Token { identifier: b"id".to_vec(), password: b"pw".to_vec(), ..Token::default() }
    }

    #[test]
    fn the_example_of_the_rfc_comes_out() {
        // RFC 2831, section 4: user chris, password secret. The digest is computed over the plain texts, which a
        // token's base64 hides; so the parts are put together here as `answer` does.
        let secret = Md5::digest("chris:elwood.innosoft.com:secret");
        let mut first = secret.to_vec();
        first.extend(b":OA6MG9tEQGm2hh:OA6MHXh6VqTrRk");
        let first = hex(&Md5::digest(first));
        let second = hex(&Md5::digest("AUTHENTICATE:imap/elwood.innosoft.com"));
        let all = format!("{first}:OA6MG9tEQGm2hh:00000001:OA6MHXh6VqTrRk:auth:{second}");
        assert_eq!(hex(&Md5::digest(all)), "d388dad90d4bbd760a152321f2143af7");
    }

    #[test]
    fn both_sides_compute_the_same_proof() {
        let digest = DigestMd5::answer(CHALLENGE, &token(), "/default", "c").unwrap();
        assert!(digest.response().contains(r#"digest-uri="/default""#));
        assert_eq!(digest.verify(format!("rspauth={}", digest.proof).as_bytes()), Ok(()));
        assert_eq!(digest.verify(b"rspauth=00"), Err(SaslError::ServerProof));
        assert_eq!(digest.verify(b""), Err(SaslError::ServerProof));
    }

    #[test]
    fn wrapped_only_clusters_and_other_algorithms_are_named() {
        let answer = |text: &str| DigestMd5::answer(text.as_bytes(), &token(), "/default", "c").unwrap_err();
        let qop = answer(r#"nonce="n",qop="auth-conf,auth-int",algorithm=md5-sess"#);
        assert_eq!(qop, SaslError::Qop { qop: "auth-conf,auth-int".into() });
        assert!(answer(r#"nonce="n",algorithm=md5"#).to_string().contains("md5-sess"));
        assert!(answer("algorithm=md5-sess").to_string().contains("nonce"));
    }

    proptest! {
        #[test]
        fn no_challenge_panics(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = DigestMd5::answer(&text, &token(), "/default", "c");
        }

        #[test]
        fn no_text_like_a_challenge_panics(text in r#"[a-z"\\=, ]{0,60}"#) {
            let _ = parse(text.as_bytes());
        }
    }
}
