//! What znodes hold.

use maas_store::{
    Endpoint, EpochRecord, EventRing, Exit, InstanceRecord, LeaderRecord, Node, Revision, Root, RunnerReport,
    ServiceInstance, StopRequest, SyncOwner, SyncRecord, decode_status, encode_status,
};

use crate::{Target, accepted, refused};

/// The first line is the znode's path below `/maas`, the rest its data; without such a line it is the data of all.
///
/// What is read is written and read back the same, and does not grow; a ring stays within its bounds whatever is
/// pushed on it; a refusal names the path, and says little of the data.
pub const TARGET: Target = Target { name: "records", check, verdict };

/// A record of any kind: what is printed of it, and what it is when it is written again.
type Read = Result<(String, Vec<u8>), Box<dyn std::error::Error>>;

const KINDS: [&str; 13] = [
    "status/ModelDeployment/n/d",
    "revisions/n/d/1",
    "instances/n/d/1-1",
    "instances/n/d/1-1/runner",
    "instances/n/d/1-1/exit",
    "endpoints/n/d/1-1",
    "events/n/d",
    "syncs/n/s",
    "syncs/n/s/owner",
    "operator/epoch",
    "operator/leader",
    "operator/stop",
    "service/m/c",
];

/// Reads a znode as its readers do; `None` for a place whose data nobody reads.
fn read(path: &str, data: &[u8]) -> Option<Read> {
    macro_rules! record {
        ($type:ty) => {
            <$type>::decode(path, data).map(|record| (format!("{record:?}"), record.encode())).map_err(Into::into)
        };
    }
    Some(match Node::parse(&Root::default(), path)? {
        Node::Status { .. } => {
            decode_status(path, data).map(|status| (format!("{status:?}"), encode_status(&status))).map_err(Into::into)
        }
        Node::Revision { .. } => record!(Revision),
        Node::Instance { .. } => record!(InstanceRecord),
        Node::Runner { .. } => record!(RunnerReport),
        Node::Exit { .. } => record!(Exit),
        Node::Endpoint { .. } => record!(Endpoint),
        Node::Events { .. } | Node::QueueEvents => record!(EventRing),
        Node::Sync { .. } => record!(SyncRecord),
        Node::SyncOwner { .. } => record!(SyncOwner),
        Node::Epoch => record!(EpochRecord),
        Node::Leader => record!(LeaderRecord),
        Node::Stop => record!(StopRequest),
        Node::MetronInstance { .. } => match ServiceInstance::decode(data) {
            Some(instance) => Ok((format!("{instance:?}"), instance.encode())),
            None => Err("not what Metron's clients read".into()),
        },
        _ => return None,
    })
}

fn split(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (path, data) = bytes.split_at_checked(end)?;
    let path = std::str::from_utf8(path).ok().filter(|path| !path.contains(['{', '[']))?;
    Some((format!("/maas/{path}"), data.get(1..)?))
}

fn check(bytes: &[u8]) {
    match split(bytes) {
        Some((path, data)) => one(&path, data),
        None => KINDS.iter().for_each(|path| one(&format!("/maas/{path}"), bytes)),
    }
}

fn one(path: &str, data: &[u8]) {
    match read(path, data) {
        Some(Ok((printed, written))) => {
            // A number may be written longer, as 1e15 is, and each field that was left out is written with its default.
            assert!(written.len() <= 12 * data.len() + 2048, "{} bytes of {}", written.len(), data.len());
            let again = read(path, &written).and_then(Result::ok);
            assert_eq!(again, Some((printed, written)), "{path}");
            if path.starts_with("/maas/events/") {
                ring(path, data);
            }
        }
        Some(Err(error)) => assert!(error.to_string().len() < 200 + path.len(), "{error}"),
        None => {}
    }
}

fn ring(path: &str, data: &[u8]) {
    let Ok(mut ring) = EventRing::decode(path, data) else { return };
    let Some(event) = ring.0.first().cloned() else { return };
    ring.push(event.clone());
    assert!(ring.0.len() <= EventRing::ENTRIES);
    assert!(ring.0.len() == 1 || ring.encode().len() <= EventRing::BYTES);
    let last = ring.0.last();
    assert!(last.is_some_and(|last| last.reason == event.reason && last.message.len() <= EventRing::MESSAGE));
}

fn verdict(bytes: &[u8]) -> String {
    let Some((path, data)) = split(bytes) else { return "refused: no path in the first line".to_owned() };
    match read(&path, data) {
        Some(Ok((printed, _))) => accepted(printed.chars().take(160).collect::<String>()),
        Some(Err(error)) => refused(error.as_ref()),
        None => "refused: nobody reads this place".to_owned(),
    }
}
