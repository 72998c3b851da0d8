//! YARN's answers, as protobuf.

use hadoop_yarn::testing::{Answer, read};
use hadoop_yarn::{AllocateResponse, Ask, ContainerId, Ledger, MasterError, Resource};

use crate::{Target, accepted, line, refused};

/// The first byte says which method is answered; the rest is its length-delimited message.
///
/// What is taken over is no more than what came. After any answer the ledger of asks has given each container either
/// to the ask that wanted it, and only once, or back; and its next request follows that answer. Fields of a later
/// version change nothing.
pub const TARGET: Target = Target { name: "yarn", check, verdict };

/// Methods by the letter that an input begins with.
const METHODS: [(u8, &str); 13] = [
    (b'a', "allocate"),
    (b'r', "registerApplicationMaster"),
    (b'f', "finishApplicationMaster"),
    (b'k', "forceKillApplication"),
    (b's', "startContainers"),
    (b't', "stopContainers"),
    (b'q', "getContainerStatuses"),
    (b'n', "getNewApplication"),
    (b'p', "getApplicationReport"),
    (b'l', "getApplications"),
    (b'm', "getApplicationAttempts"),
    (b'c', "getContainers"),
    (b'd', "getClusterNodes"),
];
/// Bytes of diagnostics that are kept of any one thing.
const SAID: usize = 16 * 1024;

fn split(bytes: &[u8]) -> Option<(&'static str, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let known = METHODS.iter().find(|(letter, _)| letter == first);
    // A mutated letter still means one of them.
    let (_, method) = known.or_else(|| METHODS.get(usize::from(*first) % METHODS.len()))?;
    Some((method, rest))
}

fn check(bytes: &[u8]) {
    let Some((method, bytes)) = split(bytes) else { return };
    let Some(Ok(answer)) = read(method, bytes) else { return };
    later(method, bytes, &answer);
    let entries = match answer {
        Answer::Allocated(Ok(response)) => allocated(&response),
        Answer::Allocated(Err(error)) => {
            assert!(matches!(error, MasterError::Incomplete { .. }) && error.may_have_happened());
            0
        }
        Answer::Registered(response) => {
            let largest = response.check(&response.maximum);
            assert!(largest.is_ok() || !response.maximum.others.is_empty(), "{largest:?}");
            response.previous_containers.len() + response.nm_tokens.len() + response.resource_types.len()
        }
        Answer::Statuses(statuses) => {
            assert!(statuses.iter().all(|status| status.diagnostics.len() <= SAID));
            statuses.len()
        }
        Answer::Report(Ok(report)) => {
            assert!(report.diagnostics.len() <= SAID && report.tracking_url.len() <= SAID);
            report.tags.len()
        }
        Answer::Applications(reports) => {
            assert!(reports.iter().all(|report| report.diagnostics.len() <= SAID));
            reports.len()
        }
        Answer::Attempts(reports) => reports.len(),
        Answer::Containers(reports) => {
            reports.iter().for_each(|report| id(report.id));
            reports.len()
        }
        Answer::Nodes(reports) => reports.len(),
        Answer::Settled(Err(error)) => {
            let said = error.to_string();
            assert!(said.len() <= 5 * 4096 && !said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
            0
        }
        Answer::Settled(Ok(())) | Answer::Done(_) | Answer::Application(_) | Answer::Report(Err(_)) => 0,
    };
    assert!(entries <= bytes.len(), "{entries} entries of {} bytes", bytes.len());
}

/// A field of a number that is not known, behind all others, is passed over.
fn later(method: &str, bytes: &[u8], answer: &Answer) {
    let mut rest = bytes;
    let Ok(length) = prost::decode_length_delimiter(&mut rest) else { return };
    let Some(message) = rest.get(..length) else { return };
    let mut longer = message.to_vec();
    prost::encoding::string::encode(5000, &"later".to_owned(), &mut longer);
    let mut delimited = Vec::new();
    prost::encoding::encode_varint(longer.len() as u64, &mut delimited);
    delimited.extend(longer);
    let again = read(method, &delimited).and_then(Result::ok);
    assert_eq!(again.map(|again| format!("{again:?}")), Some(format!("{answer:?}")));
}

/// Ids that YARN gives read back as YARN prints them.
fn id(id: ContainerId) {
    let whole = id.id >= 0 && id.attempt.attempt >= 0;
    if whole && id.attempt.application.id >= 0 && id.attempt.application.cluster_timestamp >= 0 {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}

fn allocated(response: &AllocateResponse) -> usize {
    let mut ledger = Ledger::default();
    for wanted in 0..4 {
        ledger.ask(wanted, Ask { priority: 1, capability: Resource::new(16, 1) });
    }
    let _ = ledger.request();
    let grants = ledger.answer(response);
    let mut ids: Vec<i64> = grants.granted.iter().map(|container| container.allocation_request_id).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair.first() != pair.last()), "one ask has two containers: {ids:?}");
    for container in &grants.granted {
        assert!((0..4).contains(&container.allocation_request_id) && container.resource.memory_mb >= 16);
        assert!(!ledger.open().contains_key(&container.allocation_request_id));
    }
    assert!(grants.granted.len() + grants.surplus.len() <= response.allocated.len());
    let next = ledger.request();
    assert_eq!(next.response_id, response.response_id);
    for container in &response.allocated {
        id(container.id);
        let granted = grants.granted.iter().any(|granted| granted.id == container.id);
        let ended = response.completed.iter().any(|status| status.id == container.id);
        let released = next.releases.contains(&container.id);
        assert!(granted || released || ended, "{} is lost", container.id);
    }
    assert!(response.completed.iter().all(|status| status.diagnostics.len() <= SAID));
    response.allocated.len() + response.completed.len() + response.updated_nodes.len() + response.nm_tokens.len()
}

fn verdict(bytes: &[u8]) -> String {
    let Some((method, bytes)) = split(bytes) else { return "refused: nothing".to_owned() };
    match read(method, bytes) {
        Some(Ok(Answer::Allocated(Err(error)))) => refused(&error),
        Some(Ok(Answer::Settled(Err(error)))) => refused(&error),
        Some(Ok(Answer::Report(Err(error)))) => refused(&error),
        Some(Ok(Answer::Application(Err(error)))) => refused(&error),
        Some(Ok(answer)) => accepted(format!("{answer:?}").chars().take(200).collect::<String>()),
        Some(Err(error)) => line(&format!("refused: {method}: {error}")),
        None => "refused: nothing".to_owned(),
    }
}
