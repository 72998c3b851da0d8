//! What is done to both ResourceManagers.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Ids from here on are the ledger's; below it, numbers are said outright.
pub const LEDGER_FROM: i64 = 100;

/// An absolute number of containers under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub priority: i32,
    pub id: i64,
    pub memory: i64,
    pub count: u32,
}

/// What a started container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Stays,
    Exits(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Terminate,
    Kill,
}

/// A wrong call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    RegisterTwice,
    ResponseId,
    /// Above the largest node, beside an ask that would be served.
    TooLarge,
    ReleaseUnknown,
}

/// One step; each is followed by quiet. Containers are picked by their place among those that qualify, so that a step
/// means something whatever came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Ask(Vec<Row>),
    /// Asked, granted before the next heartbeat, and cancelled by that.
    AskAndCancel(Row),
    LedgerAsk {
        id: i64,
        priority: i32,
        memory: i64,
    },
    LedgerCancel(i64),
    Release(usize),
    ReleaseAgain(usize),
    Start(usize, Program),
    /// Of a container that runs, has ended or was given back.
    StartAgain(usize),
    Signal(usize, Signal),
    Stop(usize),
    StopUnstarted(usize),
    RepeatLast,
    Wrong(Wrong),
    /// A node without the master is lost and comes back.
    LoseNode,
    /// Some container ends meanwhile.
    RestartRm(usize),
    NextAttempt,
}

fn row(random: &mut StdRng) -> Row {
    // What fits the headroom then fits a node: where it does not, the scheduler keeps room on a node for it, and which of
    // release, change and reservation it sees first is a race that no script decides.
    let sizes = [200, 256];
    Row {
        priority: random.random_range(1..=3),
        id: random.random_range(1..=5),
        memory: sizes[random.random_range(0..sizes.len())],
        count: if random.random_bool(0.35) { 0 } else { random.random_range(1..=6) },
    }
}

fn step(random: &mut StdRng) -> Step {
    let pick = random.random_range(0..16);
    match random.random_range(0..100) {
        0..22 => Step::Ask((0..random.random_range(1..=3)).map(|_| row(random)).collect()),
        22..27 => Step::AskAndCancel(Row { memory: 256, count: 1, id: 9, ..row(random) }),
        27..33 => {
            let Row { priority, id, memory, .. } = row(random);
            Step::LedgerAsk { id: LEDGER_FROM + id, priority, memory }
        }
        33..36 => Step::LedgerCancel(LEDGER_FROM + random.random_range(1..=5)),
        36..53 => Step::Release(pick),
        53..55 => Step::ReleaseAgain(pick),
        55..67 => Step::Start(pick, Program::Stays),
        67..74 => Step::Start(pick, Program::Exits(random.random_range(0..4))),
        74..77 => Step::StartAgain(pick),
        77..83 => Step::Signal(pick, if random.random_bool(0.5) { Signal::Kill } else { Signal::Terminate }),
        83..88 => Step::Stop(pick),
        88..90 => Step::StopUnstarted(pick),
        90..93 => Step::RepeatLast,
        93..95 => Step::Wrong(Wrong::ResponseId),
        95..96 => Step::Wrong(Wrong::RegisterTwice),
        96..99 => Step::Wrong(Wrong::TooLarge),
        _ => Step::Wrong(Wrong::ReleaseUnknown),
    }
}

/// So many random steps, and each of the slow ones a few times between them.
pub fn random(seed: u64, count: usize) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut steps: Vec<Step> = (0..count).map(|_| step(&mut random)).collect();
    let pick = random.random_range(0..16);
    let slow = [Step::LoseNode, Step::NextAttempt, Step::RestartRm(pick), Step::NextAttempt, Step::LoseNode];
    for (n, step) in slow.into_iter().enumerate() {
        let at = (n + 1) * count / 6 + random.random_range(0..5);
        steps.insert(at.min(steps.len()), step);
    }
    steps
}
