//! What is done to both trees.

use std::fmt;

use maas_store::Op;
use maas_store::twin::{Session, Tree};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Sessions that take part.
pub const SESSIONS: usize = 3;

/// One step. Paths stand without the folder that a run has for itself.
#[derive(Clone)]
pub enum Step {
    Commit(usize, Vec<Op>),
    Get(usize, String),
    Children(usize, String),
    List(usize),
    /// A session is closed; its handle is tried once more, then another one is opened.
    Close(usize),
    /// A session expires; its store opens the next one by itself.
    Expire(usize),
    /// A connection is cut; the session goes on.
    Cut(usize),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(who, ops) => {
                write!(f, "session {who} commits")?;
                ops.iter().try_for_each(|op| match op {
                    Op::Create { path, data, ephemeral } => {
                        write!(f, " [create{} {path:?} {}]", if *ephemeral { " ephemeral" } else { "" }, data.len())
                    }
                    Op::Set { path, data, version } => write!(f, " [set {path:?} {} at {version:?}]", data.len()),
                    Op::Delete { path, version } => write!(f, " [delete {path:?} at {version:?}]"),
                    Op::Check { path, version } => write!(f, " [check {path:?} at {version}]"),
                })
            }
            Self::Get(who, path) => write!(f, "session {who} reads {path:?}"),
            Self::Children(who, path) => write!(f, "session {who} reads the children of {path:?}"),
            Self::List(who) => write!(f, "session {who} lists"),
            Self::Close(who) => write!(f, "session {who} is closed"),
            Self::Expire(who) => write!(f, "session {who} expires"),
            Self::Cut(who) => write!(f, "the connection of session {who} is cut"),
        }
    }
}

impl Step {
    /// Operations in it.
    pub fn operations(&self) -> usize {
        if let Self::Commit(_, ops) = self { ops.len() } else { 1 }
    }
}

fn create(path: &str, ephemeral: bool) -> Op {
    Op::Create { path: path.to_owned(), data: b"x".to_vec(), ephemeral }
}

fn set(path: &str, version: Option<i32>) -> Op {
    Op::Set { path: path.to_owned(), data: b"y".to_vec(), version }
}

fn delete(path: &str, version: Option<i32>) -> Op {
    Op::Delete { path: path.to_owned(), version }
}

fn check(path: &str, version: i32) -> Op {
    Op::Check { path: path.to_owned(), version }
}

/// Corners that chance finds late.
pub fn curated() -> Vec<Step> {
    let multis = vec![
        vec![],
        vec![create("/a", false)],
        vec![create("/a", false)],
        vec![create("/b/c", false)],
        vec![create("/b", false), create("/b/c", false)],
        vec![set("/a", Some(0))],
        vec![set("/a", Some(0))],
        vec![set("/a", None), set("/a", None), check("/a", 3)],
        vec![check("/a", 1), delete("/a", None)],
        vec![delete("/b", None)],
        vec![create("/e", true)],
        vec![create("/e/x", false)],
        vec![check("/a", 3), create("/f", true), delete("/nothing", None)],
        vec![check("/f", 0)],
        vec![delete("/b/c", Some(1))],
        vec![delete("/b/c", Some(0)), delete("/b", Some(0))],
        vec![delete("/a", Some(3)), create("/a", false), set("/a", Some(0))],
        vec![check("/missing", 0), create("/none/x", false)],
        vec![create("/none/x", false), check("/missing", 0)],
        vec![create("/a/1", false), create("/none/x", false), create("/a/2", false)],
        vec![create("/d", false), create("/d/e", false), create("/d/e/f", true), create("/d/e/f/g", false)],
        vec![set("/missing", None)],
        // Any version has -1; none has another negative one.
        vec![check("/a", -1), set("/a", Some(-1))],
        vec![check("/a", -2)],
        vec![delete("/a", Some(-3))],
        vec![delete("/a", Some(-1))],
        // A node that is only there within its multi.
        vec![create("/g", false), create("/g/h", true), delete("/g/h", Some(0)), delete("/g", Some(0))],
        vec![create("/g", true), set("/g", Some(0)), delete("/g", Some(1)), create("/g", false), check("/g", 0)],
        vec![create("/g/h", true), delete("/g", None)],
        // Paths that are none, below a node that exists and below none.
        vec![create("/b", false)],
        vec![create("/b//c", false)],
        vec![create("/b/", false)],
        vec![create("/b/./c", false)],
        vec![create("/b/..", false)],
        vec![create("/nothing/..", false)],
        vec![create("/nothing/..", true), create("/b", false)],
        vec![create("/ü\u{202e}", false)],
        vec![create("/a b", false), create("/a b/%2f", false)],
    ];
    let mut steps: Vec<Step> = multis.into_iter().map(|ops| Step::Commit(0, ops)).collect();
    // Around the bounds of what a path may hold (`PathUtils.validatePath`).
    let odd = "\0\u{1}\u{1e}\u{1f}\u{20}\u{7e}\u{7f}\u{80}\u{9e}\u{9f}\u{a0}\u{d7ff}\u{e000}\u{f8fe}\u{f8ff}\u{f900}\
               \u{ffef}\u{fff0}\u{fff1}\u{fffe}\u{ffff}\u{10000}\u{1f600}\u{10ffff}";
    steps.extend(odd.chars().map(|c| Step::Commit(0, vec![create(&format!("/odd{c}"), false)])));
    steps.extend([
        // The ephemerals of one session are another's to change and delete, and go with their owner all the same.
        Step::Commit(0, vec![create("/of0", true), create("/of0-too", true)]),
        Step::Commit(1, vec![set("/of0", Some(0)), delete("/of0-too", Some(0)), create("/of0-too", true)]),
        Step::Expire(0),
        Step::Commit(2, vec![check("/of0-too", 0)]),
        Step::Commit(2, vec![check("/of0", 1)]),
        Step::Close(1),
        Step::Commit(2, vec![check("/of0-too", 0)]),
        Step::List(0),
    ]);
    steps
}

const PATHS: [&str; 14] =
    ["", "/p", "/p/a", "/p/b", "/p/a/c", "/p/a/c/d", "/q", "/q/a", "/q/b", "/q/b/c", "/r", "/r/a", "/ra", "/r/a b"];

fn draw(random: &mut StdRng) -> Op {
    let path = PATHS[random.random_range(1..PATHS.len())].to_owned();
    let version = random.random_bool(0.6).then(|| random.random_range(-1..4));
    let data = vec![b'x'; random.random_range(0..60)];
    match random.random_range(0..10) {
        0..4 => Op::Create { path, data, ephemeral: random.random_bool(0.4) },
        4..7 => Op::Set { path, data, version },
        7..9 => Op::Delete { path, version },
        _ => Op::Check { path, version: random.random_range(-1..4) },
    }
}

/// A multi most of whose operations would be accepted as the tree is; the rest may be anything.
fn multi(random: &mut StdRng, tree: &Tree, session: Session) -> Vec<Op> {
    let mut then = tree.clone();
    let count = if random.random_bool(0.5) { 1 } else { random.random_range(2..=6) };
    let mut ops = Vec::new();
    for _ in 0..count {
        let good = random.random_bool(0.88);
        let mut op = draw(random);
        for _ in 0..20 {
            if then.commit(session, std::slice::from_ref(&op), 0).is_ok() || !good {
                break;
            }
            op = draw(random);
        }
        ops.push(op);
    }
    ops
}

/// Steps with so many operations in all.
pub fn random(seed: u64, count: usize) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut tree = Tree::default();
    let mut sessions: Vec<Session> = (0..SESSIONS).map(|_| tree.open()).collect();
    let mut steps = Vec::new();
    let mut done = 0;
    while done < count {
        let who = random.random_range(0..SESSIONS);
        let path = |random: &mut StdRng| PATHS[random.random_range(0..PATHS.len())].to_owned();
        let step = match random.random_range(0..1_000) {
            0..20 => Step::Expire(who),
            20..40 => Step::Close(who),
            40..50 => Step::Cut(who),
            50..150 => Step::Get(who, path(&mut random)),
            150..220 => Step::Children(who, path(&mut random)),
            220..230 => Step::List(who),
            _ => Step::Commit(who, multi(&mut random, &tree, sessions[who])),
        };
        match &step {
            Step::Commit(who, ops) => drop(tree.commit(sessions[*who], ops, 0)),
            Step::Expire(who) | Step::Close(who) => {
                tree.expire(sessions[*who]);
                sessions[*who] = tree.open();
            }
            _ => {}
        }
        done += step.operations();
        steps.push(step);
    }
    steps
}
