//! The clients against a scripted peer: names, tokens, field numbers, exceptions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use hadoop_rpc::{
    Token,
    testing::{Answer, Peer, Step},
};
use hadoop_yarn::{
    AllocateRequest, ApplicationId, Ask, AttemptId, Container, ContainerId, Error, FinalStatus, LaunchContext, Ledger,
    MasterClient, NmToken, NodeId, Nodes, RegisterRequest, Resource, RmClient,
};

const LONG: Duration = Duration::from_secs(10);

fn token(password: &str) -> Token {
    Token {
        identifier: b"id".to_vec(),
        password: password.as_bytes().to_vec(),
        kind: "k".into(),
        service: String::new(),
    }
}

/// Protobuf by hand, so that the tests do not lean on what they test. Field numbers below 16, lengths below 128.
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2, u8::try_from(value.len()).unwrap()], value.to_vec()].concat()
}

fn delimited(fields: &[Vec<u8>]) -> Vec<u8> {
    let message = fields.concat();
    let mut out = Vec::new();
    prost::encoding::encode_varint(message.len() as u64, &mut out);
    [out, message].concat()
}

fn answer(method: &'static str, fields: &[Vec<u8>]) -> Step {
    Step::Call { method, answer: Answer::Message(delimited(fields)) }
}

fn exception(method: &'static str, class: &'static str, text: &'static str) -> Step {
    Step::exception(method, class, text)
}

fn token_message(password: &str) -> Vec<u8> {
    [bytes(1, b"id"), bytes(2, password.as_bytes()), bytes(3, b"k"), bytes(4, b"")].concat()
}

fn container_message() -> Vec<u8> {
    let application = [number(1, 7), number(2, 9)].concat();
    let attempt = [bytes(1, &application), number(2, 1)].concat();
    let id = [bytes(2, &attempt), number(3, 2)].concat();
    let node = [bytes(1, b"n"), number(2, 99)].concat();
    let resource = [[1 << 3, 0x80, 0x01].to_vec(), number(2, 1)].concat();
    [bytes(1, &id), bytes(2, &node), bytes(3, b"n:80"), bytes(4, &resource), bytes(5, &number(1, 3)), number(8, 5)]
        .concat()
}

#[tokio::test]
async fn a_master_registers_gets_a_container_and_finishes() {
    let peer = Peer::start(vec![vec![
        Step::Token(token("p")),
        answer("registerApplicationMaster", &[bytes(5, b"root.q"), bytes(9, &bytes(1, b"memory-mb"))]),
        answer("allocate", &[number(2, 1), bytes(3, &container_message())]),
        answer("finishApplicationMaster", &[]),
        answer("finishApplicationMaster", &[number(1, 1)]),
    ]]);
    let peer = peer.await.unwrap();
    let master = MasterClient::new(vec![peer.address()], token("p"), LONG);
    let registered = master.register(RegisterRequest::default()).await.unwrap();
    assert_eq!(registered.queue, "root.q");
    assert!(registered.check(&Resource { others: [("gpu".to_owned(), 1)].into(), ..Resource::default() }).is_err());
    let mut ledger = Ledger::default();
    ledger.ask(5, Ask { priority: 3, capability: Resource::new(128, 1) });
    let response = master.allocate(ledger.request()).await.unwrap();
    let granted = ledger.answer(&response).granted;
    let attempt = AttemptId { application: ApplicationId { cluster_timestamp: 9, id: 7 }, attempt: 1 };
    assert_eq!(granted[0].id, ContainerId { attempt, id: 2 });
    assert_eq!((&granted[0].node, granted[0].resource.memory_mb), (&NodeId { host: "n".into(), port: 99 }, 128));
    master.finish(FinalStatus::Succeeded, "", "").await.unwrap();
    assert!(peer.faults().is_empty(), "{:?}", peer.faults());
    assert_eq!(peer.calls()[0].protocol, "org.apache.hadoop.yarn.api.ApplicationMasterProtocolPB");
}

#[tokio::test]
async fn a_new_master_token_is_used_from_the_next_call_on() {
    let rolled = || answer("allocate", &[number(2, 1), bytes(12, &token_message("new"))]);
    let peer = Peer::start(vec![
        vec![Step::Token(token("old")), rolled(), Step::Stall],
        vec![Step::Token(token("new")), rolled(), answer("allocate", &[number(2, 2)])],
    ]);
    let peer = peer.await.unwrap();
    let master = MasterClient::new(vec![peer.address()], token("old"), LONG);
    for expected in [1, 1, 2] {
        let response = master.allocate(AllocateRequest::default()).await.unwrap();
        assert_eq!(response.response_id, expected);
    }
    assert_eq!(peer.connections(), 2);
    assert!(peer.faults().is_empty(), "{:?}", peer.faults());
}

#[tokio::test]
async fn what_a_restarted_resource_manager_throws_is_understood() {
    const NOT: &str = "org.apache.hadoop.yarn.exceptions.ApplicationMasterNotRegisteredException";
    const TWICE: &str = "org.apache.hadoop.yarn.exceptions.InvalidApplicationMasterRequestException";
    let peer = Peer::start(vec![vec![
        Step::Token(token("p")),
        exception("allocate", NOT, "AM is not registered for known application attempt\n\tat x"),
        exception("registerApplicationMaster", TWICE, "Application Master is already registered : application_1_0001"),
    ]]);
    let peer = peer.await.unwrap();
    let master = MasterClient::new(vec![peer.address()], token("p"), LONG);
    assert!(matches!(master.allocate(AllocateRequest::default()).await, Err(Error::NotRegistered)));
    assert!(matches!(master.register(RegisterRequest::default()).await, Err(Error::AlreadyRegistered)));
}

#[tokio::test]
async fn a_node_takes_its_own_token_and_says_what_it_did_not_start() {
    let failed = bytes(3, &bytes(2, &[bytes(1, b"Attempt to relaunch the same container"), bytes(3, b"a.B")].concat()));
    let peer = Peer::start(vec![vec![
        Step::Token(token("nm")),
        answer("startContainers", &[bytes(2, b"")]),
        answer("startContainers", &[failed]),
        answer("stopContainers", &[bytes(2, &bytes(2, &bytes(1, b"Container c is not handled by this NodeManager")))]),
    ]]);
    let peer = peer.await.unwrap();
    let node = NodeId { host: peer.address().host, port: peer.address().port };
    let nodes = Nodes::new(LONG);
    assert!(matches!(nodes.get(&node), Err(Error::NoToken { .. })));
    nodes.remember(&[NmToken { node: node.clone(), token: token("nm") }]);
    let (client, context) = (nodes.get(&node).unwrap(), LaunchContext::default());
    client.start(&Container::default(), &context).await.unwrap();
    assert!(client.start(&Container::default(), &context).await.unwrap_err().is_already_started());
    client.stop(ContainerId::default()).await.unwrap();
}

#[tokio::test]
async fn an_answer_without_what_it_must_have_is_an_error_and_no_more() {
    let peer =
        Peer::start(vec![vec![Step::Simple, answer("getNewApplication", &[]), answer("getApplicationReport", &[])]]);
    let peer = peer.await.unwrap();
    let rm = RmClient::new(vec![peer.address()], "ann", LONG);
    assert!(matches!(rm.new_application().await, Err(Error::Incomplete { .. })));
    assert!(matches!(rm.report(ApplicationId::default()).await, Err(Error::Incomplete { .. })));
    assert_eq!(peer.users(), [Some("ann".to_owned())]);
}
