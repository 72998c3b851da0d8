//! The client against a scripted peer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, Instant};

use hadoop_rpc::{
    Address, Auth, Client, Error, HandshakeError, Protocol, Token,
    testing::{Answer, CHALLENGE, Peer, Step},
};

#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

fn text(text: &str) -> Text {
    Text { text: text.into() }
}

const PROTOCOL: Protocol = Protocol { name: "example.Protocol", version: 1 };
const LONG: Duration = Duration::from_secs(10);
const STANDBY: &str = "org.apache.hadoop.ipc.StandbyException";

fn token() -> Token {
    Token { identifier: b"who".to_vec(), password: b"secret".to_vec(), kind: "kind".into(), service: String::new() }
}

fn simple(addresses: &[Address]) -> Client {
    Client::new(PROTOCOL, addresses.to_vec(), Auth::Simple { user: "ann".into() })
}

async fn call(client: &Client) -> Result<Text, Error> {
    client.call("echo", &text("me"), LONG).await
}

/// What one call gets from a peer that plays one script; the client uses the token.
async fn with_token(script: Vec<Step>) -> (Result<Text, Error>, Peer) {
    let peer = Peer::start(vec![script]).await.unwrap();
    let client = Client::new(PROTOCOL, vec![peer.address()], Auth::Token(token()));
    (call(&client).await, peer)
}

#[tokio::test]
async fn a_token_lets_in_and_names_no_user() {
    let echo = || Step::answer("echo", &text("you"));
    let (answer, peer) = with_token(vec![Step::Token(token()), echo()]).await;
    assert_eq!(answer.unwrap(), text("you"));
    assert_eq!(peer.users(), [None]);
    let calls = peer.calls();
    assert_eq!((calls[0].protocol.as_str(), calls[0].decode().unwrap()), ("example.Protocol", text("me")));
    assert!(peer.faults().is_empty(), "{:?}", peer.faults());
}

#[tokio::test]
async fn a_name_lets_in_where_names_are_believed() {
    let peer = Peer::start(vec![vec![Step::Simple, Step::answer("echo", &text("you"))]]).await.unwrap();
    assert_eq!(call(&simple(&[peer.address()])).await.unwrap(), text("you"));
    assert_eq!(peer.users(), [Some("ann".into())]);
}

#[tokio::test]
async fn a_server_that_cannot_prove_itself_gets_no_call() {
    let proof = Some("rspauth=00000000000000000000000000000000".to_owned());
    let method = ("TOKEN", "DIGEST-MD5");
    let (answer, peer) =
        with_token(vec![Step::Sasl { token: token(), method, challenge: CHALLENGE.into(), proof }, Step::Stall]).await;
    let error = answer.unwrap_err();
    assert!(matches!(&error, Error::Handshake { source: HandshakeError::Sasl(_), .. }), "{error:?}");
    assert!(!error.may_have_happened() && !error.is_retriable());
    assert!(peer.calls().is_empty());
}

#[tokio::test]
async fn other_mechanisms_and_wrapped_traffic_are_refused_by_name() {
    let sasl =
        |method, challenge: &str| Step::Sasl { token: token(), method, challenge: challenge.into(), proof: None };
    let reason = |error: Error| match error {
        Error::Handshake { source: HandshakeError::Sasl(error), .. } => error.to_string(),
        other => panic!("{other:?}"),
    };
    let (answer, _) = with_token(vec![sasl(("KERBEROS", "GSSAPI"), "")]).await;
    assert!(reason(answer.unwrap_err()).contains("KERBEROS/GSSAPI"));
    let (answer, _) = with_token(vec![sasl(("TOKEN", "SCRAM-SHA-256"), "")]).await;
    assert!(reason(answer.unwrap_err()).contains("TOKEN/SCRAM-SHA-256"));
    let wrapped = r#"realm="default",nonce="n",qop="auth-conf",algorithm=md5-sess"#;
    let (answer, _) = with_token(vec![sasl(("TOKEN", "DIGEST-MD5"), wrapped)]).await;
    assert!(reason(answer.unwrap_err()).contains("auth-conf"));
}

#[tokio::test]
async fn a_fatal_answer_is_a_refusal_without_effect() {
    let class = "org.apache.hadoop.security.AccessControlException";
    let answer =
        Answer::Exception { class, text: "SIMPLE authentication is not enabled.\n\tat a.b(C.java)", fatal: true };
    let peer = Peer::start(vec![vec![Step::Simple, Step::Call { method: "echo", answer }]]).await.unwrap();
    let error = call(&simple(&[peer.address()])).await.unwrap_err();
    let remote = error.remote().unwrap();
    assert_eq!((remote.class.as_str(), remote.message.as_str()), (class, "SIMPLE authentication is not enabled."));
    assert!(remote.fatal && !error.may_have_happened() && !error.is_retriable());
}

#[tokio::test]
async fn an_exception_keeps_the_connection() {
    let script = vec![Step::Simple, Step::exception("echo", "a.B", "no"), Step::answer("echo", &text("yes"))];
    let peer = Peer::start(vec![script]).await.unwrap();
    let client = simple(&[peer.address()]);
    assert_eq!(call(&client).await.unwrap_err().remote().unwrap().to_string(), "B: no");
    assert_eq!(call(&client).await.unwrap(), text("yes"));
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn an_answer_to_a_call_never_made_ends_the_connection() {
    let peer = Peer::start(vec![
        vec![Step::Simple, Step::Call { method: "echo", answer: Answer::Wrong(77) }, Step::Stall],
        vec![Step::Simple, Step::answer("echo", &text("you"))],
    ]);
    let peer = peer.await.unwrap();
    let client = simple(&[peer.address()]);
    let error = call(&client).await.unwrap_err();
    assert!(error.may_have_happened() && error.to_string().contains("call 77"), "{error}");
    assert_eq!(call(&client).await.unwrap(), text("you"));
}

#[tokio::test]
async fn absurd_lengths_and_garbage_end_the_connection() {
    let garbage: [&[u8]; 5] =
        [&[0x80, 0, 0, 0], &[0xff; 64], &[0, 0, 0, 3, 0xff, 0xff, 0xff], &[0, 0, 0, 0], &[0, 0, 0, 2, 1, 8]];
    for bytes in garbage {
        let script = vec![Step::Simple, Step::Skip, Step::Send(bytes.to_vec()), Step::Stall];
        let peer = Peer::start(vec![script]).await.unwrap();
        let error = call(&simple(&[peer.address()])).await.unwrap_err();
        assert!(matches!(error, Error::Lost { left: true, .. }), "{bytes:?}: {error:?}");
        let token = Client::new(PROTOCOL, vec![peer.address()], Auth::Token(token()));
        assert!(call(&token).await.is_err());
    }
}

#[tokio::test]
async fn a_connection_cut_at_any_byte_is_an_error_that_says_what_may_have_happened() {
    let script = vec![Step::Token(token()), Step::answer("echo", &text("you"))];
    let mut answered = false;
    for limit in 0..600 {
        let peer = Peer::cut(vec![script.clone()], limit).await.unwrap();
        let client = Client::new(PROTOCOL, vec![peer.address()], Auth::Token(token()));
        match call(&client).await {
            Ok(answer) => {
                assert_eq!(answer, text("you"));
                answered = true;
                break;
            }
            Err(error) => assert_eq!(error.may_have_happened(), !peer.calls().is_empty(), "{limit}: {error:?}"),
        }
    }
    assert!(answered);
}

#[tokio::test]
async fn a_silent_peer_costs_the_deadline_and_not_more() {
    for script in
        [vec![Step::Stall], vec![Step::Simple, Step::Call { method: "echo", answer: Answer::None }, Step::Stall]]
    {
        let peer = Peer::start(vec![script]).await.unwrap();
        let begun = Instant::now();
        let request = text("me");
        let error =
            simple(&[peer.address()]).call::<_, Text>("echo", &request, Duration::from_millis(200)).await.unwrap_err();
        assert!(matches!(error, Error::Deadline { left: true, .. }), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    let peer = Peer::start(vec![vec![Step::Stall]]).await.unwrap();
    let client = Client::new(PROTOCOL, vec![peer.address()], Auth::Token(token()));
    let error = client.call::<_, Text>("echo", &text("me"), Duration::from_millis(200)).await.unwrap_err();
    assert!(!error.may_have_happened() && error.is_retriable(), "{error:?}");
}

#[tokio::test]
async fn a_peer_that_fell_silent_is_left_for_the_next_address() {
    let silent = Peer::start(vec![vec![Step::Stall]]).await.unwrap();
    let peer = Peer::start(vec![vec![Step::Simple, Step::answer("echo", &text("you"))]]).await.unwrap();
    let client = simple(&[silent.address(), peer.address()]);
    let error = client.call::<_, Text>("echo", &text("me"), Duration::from_millis(200)).await.unwrap_err();
    assert!(error.may_have_happened());
    assert_eq!(call(&client).await.unwrap(), text("you"));
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses_connections() {
    let peer = Peer::start(vec![vec![Step::Simple, Step::answer("echo", &text("you"))]]).await.unwrap();
    let client = simple(&[Peer::nobody().await.unwrap(), peer.address()]);
    assert_eq!(call(&client).await.unwrap(), text("you"));
    let nobody = simple(&[Peer::nobody().await.unwrap(), Peer::nobody().await.unwrap()]);
    let error = call(&nobody).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && error.is_retriable() && !error.may_have_happened());
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_is_on_standby() {
    let standby = || vec![Step::Simple, Step::exception("echo", STANDBY, "not me")];
    let first = Peer::start(vec![standby()]).await.unwrap();
    let second = Peer::start(vec![vec![Step::Simple, Step::answer("echo", &text("you"))]]).await.unwrap();
    assert_eq!(call(&simple(&[first.address(), second.address()])).await.unwrap(), text("you"));
    let (first, second) = (Peer::start(vec![standby()]).await.unwrap(), Peer::start(vec![standby()]).await.unwrap());
    let error = call(&simple(&[first.address(), second.address()])).await.unwrap_err();
    assert!(error.is_standby() && error.is_retriable());
}

#[tokio::test]
async fn a_connection_that_ended_between_calls_is_made_anew() {
    let script = || vec![Step::Simple, Step::answer("echo", &text("you"))];
    let peer = Peer::start(vec![script(), script(), script()]).await.unwrap();
    let client = simple(&[peer.address()]);
    for turn in 1..=3 {
        // The end may cross with the next call, which then may have happened and is not repeated by the client.
        let answer = call(&client).await;
        assert!(
            answer.as_ref().is_ok_and(|a| *a == text("you")) || answer.is_err_and(|e| e.may_have_happened()),
            "{turn}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(peer.connections() >= 2);
}

#[tokio::test]
async fn a_replaced_token_is_used_over_a_new_connection() {
    let newer = Token { password: b"newer".to_vec(), ..token() };
    let peer = Peer::start(vec![
        vec![Step::Token(token()), Step::answer("echo", &text("old")), Step::Stall],
        vec![Step::Token(newer.clone()), Step::answer("echo", &text("new"))],
    ]);
    let peer = peer.await.unwrap();
    let client = Client::new(PROTOCOL, vec![peer.address()], Auth::Token(token()));
    assert_eq!(call(&client).await.unwrap(), text("old"));
    client.replace_token(newer);
    assert_eq!(call(&client).await.unwrap(), text("new"));
    assert!(peer.faults().is_empty(), "{:?}", peer.faults());
}

#[tokio::test]
async fn a_client_without_addresses_says_so() {
    assert!(matches!(call(&simple(&[])).await, Err(Error::NoAddress { .. })));
}

#[tokio::test]
async fn many_calls_share_one_connection() {
    let steps = std::iter::once(Step::Simple).chain((0..50).map(|_| Step::answer("echo", &text("you")))).collect();
    let peer = Peer::start(vec![steps]).await.unwrap();
    let client = simple(&[peer.address()]);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        calls.spawn(async move { call(&client).await.unwrap() });
    }
    assert_eq!(calls.join_all().await.len(), 50);
    assert_eq!(peer.connections(), 1);
}
