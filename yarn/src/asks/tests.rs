//! The ledger against a model of the ResourceManager.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    ids::{ApplicationId, AttemptId},
    types::{ContainerState, ContainerStatus},
};

fn ask(priority: i32, memory_mb: i64) -> Ask {
    Ask { priority, capability: Resource::new(memory_mb, 1) }
}

const MAXIMUM: i64 = 512;

fn refusal() -> Error {
    let class = "org.apache.hadoop.yarn.exceptions.InvalidResourceRequestException".to_owned();
    Error::Refused { remote: hadoop_rpc::Remote { class, message: String::new(), fatal: false } }
}

fn crash() -> Error {
    let remote = hadoop_rpc::Remote { class: "NullPointerException".into(), message: String::new(), fatal: false };
    let address = hadoop_rpc::Address { host: "rm".into(), port: 1 };
    Error::Rpc(hadoop_rpc::Error::Remote { address, method: "allocate", remote })
}

/// As the CapacityScheduler does it: absolute numbers for each key, lowered by its own grants; an answer is kept for
/// one repetition of its request; grants wait until a request fetches them.
#[derive(Default)]
struct ResourceManager {
    registered: bool,
    last_id: i32,
    last_answer: Option<AllocateResponse>,
    table: BTreeMap<(i32, i64), (Resource, u32)>,
    granted: Vec<Container>,
    ended: Vec<ContainerStatus>,
    live: BTreeSet<ContainerId>,
    next: i64,
    blacklist: BTreeSet<String>,
}

impl ResourceManager {
    fn started() -> Self {
        Self { registered: true, ..Self::default() }
    }

    fn allocate(&mut self, request: &AllocateRequest) -> Result<AllocateResponse, Error> {
        if !self.registered {
            return Err(Error::NotRegistered);
        }
        if let Some(answer) = self.last_answer.clone().filter(|answer| request.response_id + 1 == answer.response_id) {
            return Ok(answer);
        }
        if request.response_id != self.last_id {
            return Err(Error::ResponseId { expected: self.last_id });
        }
        if request.asks.iter().any(|row| row.capability.memory_mb > MAXIMUM) {
            return Err(refusal());
        }
        for row in &request.asks {
            self.table.insert((row.priority, row.id), (row.capability.clone(), row.count));
        }
        for id in &request.releases {
            self.end(*id);
        }
        self.blacklist.extend(request.blacklist_add.iter().cloned());
        for host in &request.blacklist_remove {
            assert!(self.blacklist.remove(host));
        }
        self.last_id += 1;
        let response = AllocateResponse {
            response_id: self.last_id,
            allocated: std::mem::take(&mut self.granted),
            completed: std::mem::take(&mut self.ended),
            ..AllocateResponse::default()
        };
        self.last_answer = Some(response.clone());
        Ok(response)
    }

    fn end(&mut self, id: ContainerId) {
        if self.live.remove(&id) {
            let state = ContainerState::Complete;
            self.ended.push(ContainerStatus {
                id,
                state,
                exit_status: crate::exit::ABORTED,
                diagnostics: String::new(),
            });
        }
    }

    /// One turn of the scheduler: grants the first open ask.
    fn schedule(&mut self) {
        let Some((key, (capability, count))) = self.table.iter_mut().find(|(_, (_, count))| *count > 0) else { return };
        *count -= 1;
        self.next += 1;
        let attempt = AttemptId { application: ApplicationId { cluster_timestamp: 1, id: 1 }, attempt: 1 };
        let id = ContainerId { attempt, id: self.next };
        self.live.insert(id);
        self.granted.push(Container {
            id,
            resource: capability.clone(),
            priority: key.0,
            allocation_request_id: key.1,
            ..Container::default()
        });
    }

    /// Forgets all but running containers. Those never fetched, so never started, are gone.
    fn restart(&mut self) {
        for container in std::mem::take(&mut self.granted) {
            self.live.remove(&container.id);
        }
        // The nodes report ends again until the ResourceManager knows that the master has heard of them.
        let mut ended = std::mem::take(&mut self.ended);
        ended.extend(self.last_answer.take().into_iter().flat_map(|answer| answer.completed));
        *self = Self { live: std::mem::take(&mut self.live), ended, next: self.next, ..Self::default() };
    }
}

/// A master around the ledger, and what it thinks it has.
#[derive(Default)]
struct Master {
    ledger: Ledger,
    kept: BTreeMap<ContainerId, i64>,
    /// How many containers each id was ever good for.
    wanted: BTreeMap<i64, usize>,
}

impl Master {
    fn take(&mut self, response: &AllocateResponse) {
        let grants = self.ledger.answer(response);
        for container in grants.granted {
            self.kept.insert(container.id, container.allocation_request_id);
        }
        for status in &response.completed {
            self.kept.remove(&status.id);
        }
        for (id, wanted) in &self.wanted {
            let kept = self.kept.values().filter(|kept| *kept == id).count();
            assert!(kept <= *wanted, "{kept} containers for id {id}, {wanted} wanted");
        }
    }

    fn turn(&mut self, rm: &mut ResourceManager) {
        match rm.allocate(&self.ledger.request()) {
            Ok(response) => self.take(&response),
            Err(error) => {
                self.ledger.failed(&error);
                if error.is_not_registered() {
                    self.register(rm);
                }
            }
        }
    }

    fn register(&mut self, rm: &mut ResourceManager) {
        rm.registered = true;
        // What the master keeps runs, so the ResourceManager hears of it from the nodes; the rest is not started.
        rm.live.retain(|id| self.kept.contains_key(id) || self.ledger.released.contains_key(id));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask { id: i64, priority: i32, memory: i64 },
    Cancel { id: i64 },
    Release { nth: usize },
    Host { host: u8, on: bool },
    Schedule,
    Turn,
    RequestLost,
    AnswerLost,
    Crash { half: bool },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_i64..5, 1_i32..3, 1_i64..6).prop_map(|(id, priority, m)| Step::Ask { id, priority, memory: m * 128 }),
        2 => (1_i64..5).prop_map(|id| Step::Cancel { id }),
        1 => (0_usize..4).prop_map(|nth| Step::Release { nth }),
        1 => (0_u8..3, any::<bool>()).prop_map(|(host, on)| Step::Host { host, on }),
        4 => Just(Step::Schedule),
        4 => Just(Step::Turn),
        1 => Just(Step::RequestLost),
        1 => Just(Step::AnswerLost),
        1 => any::<bool>().prop_map(|half| Step::Crash { half }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn never_more_is_kept_than_wanted_and_the_rest_is_given_back(steps in prop::collection::vec(step(), 0..60)) {
        let (mut rm, mut master) = (ResourceManager::started(), Master::default());
        for step in steps {
            match step {
                Step::Ask { id, priority, memory } => {
                    // An id is good for one container, and for another one if it is asked for after the first came.
                    if !master.ledger.open().contains_key(&id) {
                        *master.wanted.entry(id).or_default() += 1;
                    }
                    master.ledger.ask(id, ask(priority, memory));
                }
                Step::Cancel { id } => {
                    if master.ledger.open().contains_key(&id) {
                        *master.wanted.entry(id).or_default() -= 1;
                    }
                    master.ledger.cancel(id);
                }
                Step::Release { nth } => {
                    if let Some(id) = master.kept.keys().nth(nth).copied() {
                        master.ledger.release(id);
                    }
                }
                Step::Host { host, on: true } => master.ledger.blacklist(format!("host{host}")),
                Step::Host { host, on: false } => master.ledger.unblacklist(&format!("host{host}")),
                Step::Schedule => rm.schedule(),
                Step::Turn => master.turn(&mut rm),
                Step::RequestLost => { master.ledger.request(); }
                Step::AnswerLost => { let _ = rm.allocate(&master.ledger.request()); }
                Step::Crash { half } => {
                    // Only a request that the ResourceManager has not taken can fail so.
                    if rm.registered && !master.ledger.is_waiting() {
                        let request = master.ledger.request();
                        if half && request.asks.iter().all(|row| row.capability.memory_mb <= MAXIMUM) {
                            rm.table.extend(request.asks.into_iter().map(|r| ((r.priority, r.id), (r.capability, r.count))));
                        }
                        master.ledger.failed(&crash());
                    }
                }
                Step::Restart => rm.restart(),
            }
        }
        // From here on all is well, so all must settle.
        for _ in 0..80 {
            rm.schedule();
            master.turn(&mut rm);
        }
        prop_assert!(!master.ledger.has_open() && !master.ledger.has_unsent());
        for (id, ask) in master.ledger.open() {
            prop_assert!(ask.capability.memory_mb > MAXIMUM && master.ledger.refused_asks().contains(id));
        }
        prop_assert!(rm.table.values().all(|(_, count)| *count == 0), "{:?}", rm.table);
        prop_assert!(rm.granted.is_empty() && master.ledger.released.values().all(|told| *told));
        let kept: BTreeSet<ContainerId> = master.kept.keys().copied().collect();
        prop_assert_eq!(&rm.live, &kept);
        prop_assert_eq!(&rm.blacklist, &master.ledger.blacklist);
    }
}

#[test]
fn a_request_is_repeated_word_for_word_until_it_is_answered() {
    let mut ledger = Ledger::default();
    ledger.ask(1, ask(1, 128));
    let first = ledger.request();
    ledger.ask(2, ask(1, 128));
    assert!(ledger.has_unsent());
    assert_eq!(ledger.request(), first);
    ledger.answer(&AllocateResponse { response_id: 1, ..AllocateResponse::default() });
    let second = ledger.request();
    assert_eq!((second.response_id, second.asks.len()), (1, 1));
    assert_eq!(second.asks[0].id, 2);
}

#[test]
fn an_ask_is_sent_once() {
    let (mut rm, mut master) = (ResourceManager::started(), Master::default());
    master.ledger.ask(1, ask(1, 128));
    assert!(master.ledger.has_unsent());
    master.turn(&mut rm);
    assert!(!master.ledger.has_unsent());
    assert!(master.ledger.request().asks.is_empty());
}

#[test]
fn a_container_granted_after_its_cancellation_is_given_back_and_said_to_be_surplus() {
    let (mut rm, mut ledger) = (ResourceManager::started(), Ledger::default());
    ledger.ask(1, ask(1, 128));
    ledger.answer(&rm.allocate(&ledger.clone().request()).unwrap());
    let response = rm.allocate(&ledger.request()).unwrap();
    ledger.answer(&response);
    rm.schedule();
    ledger.cancel(1);
    let response = rm.allocate(&ledger.request()).unwrap();
    let grants = ledger.answer(&response);
    assert!(grants.granted.is_empty());
    assert_eq!(grants.surplus.len(), 1);
    assert_eq!(ledger.request().releases, [grants.surplus[0].id]);
}

#[test]
fn after_a_resync_everything_is_said_again() {
    let (mut rm, mut master) = (ResourceManager::started(), Master::default());
    for id in 1..=3 {
        master.wanted.insert(id, 1);
        master.ledger.ask(id, ask(1, 128));
    }
    master.ledger.blacklist("bad".into());
    master.turn(&mut rm);
    rm.schedule();
    master.turn(&mut rm);
    let id = *master.kept.keys().next().unwrap();
    master.ledger.release(id);
    rm.live.clear();
    master.turn(&mut rm);
    master.ledger.resync();
    let request = master.ledger.request();
    assert_eq!(request.response_id, 0);
    assert_eq!(request.asks.iter().map(|row| row.id).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(request.releases, [id]);
    assert_eq!(request.blacklist_add, ["bad"]);
}

#[test]
fn after_an_unexpected_response_id_it_goes_on_with_the_expected_one() {
    let mut ledger = Ledger::default();
    ledger.ask(1, ask(1, 128));
    ledger.request();
    ledger.failed(&Error::ResponseId { expected: 7 });
    let request = ledger.request();
    assert_eq!((request.response_id, request.asks.len()), (7, 1));
}

#[test]
fn an_ask_that_is_too_large_holds_back_no_other() {
    let (mut rm, mut master) = (ResourceManager::started(), Master::default());
    for id in 1..=9 {
        master.wanted.insert(id, 1);
        master.ledger.ask(id, ask(1, if id % 3 == 0 { MAXIMUM + 1 } else { 128 }));
    }
    for _ in 0..20 {
        master.turn(&mut rm);
        rm.schedule();
    }
    assert_eq!(master.kept.len(), 6);
    assert_eq!(master.ledger.refused_asks(), &BTreeSet::from([3, 6, 9]));
    assert!(!master.ledger.has_unsent() && !master.ledger.has_open());
    // Changed, or asked anew, each has another chance.
    master.ledger.ask(3, ask(1, 256));
    master.ledger.cancel(6);
    master.ledger.ask(6, ask(1, MAXIMUM + 1));
    assert_eq!(master.ledger.request().asks.iter().map(|row| row.id).collect::<Vec<_>>(), [3, 6]);
}

#[test]
fn an_answer_to_nothing_is_ignored() {
    let mut ledger = Ledger::default();
    ledger.ask(1, ask(1, 128));
    let container = Container { allocation_request_id: 1, resource: Resource::new(128, 1), ..Container::default() };
    let response = AllocateResponse { response_id: 5, allocated: vec![container], ..AllocateResponse::default() };
    assert_eq!(ledger.answer(&response), Grants::default());
    assert_eq!(ledger.request().response_id, 0);
}

#[test]
fn a_container_smaller_than_asked_is_surplus_and_the_ask_stays_open() {
    let mut ledger = Ledger::default();
    ledger.ask(1, ask(1, 256));
    ledger.request();
    let container =
        Container { allocation_request_id: 1, priority: 1, resource: Resource::new(128, 1), ..Container::default() };
    let response = AllocateResponse { response_id: 1, allocated: vec![container], ..AllocateResponse::default() };
    assert_eq!(ledger.answer(&response).surplus.len(), 1);
    assert!(ledger.has_open() && ledger.has_unsent());
}

#[test]
fn a_grant_that_crosses_a_changed_ask_takes_the_new_number_back() {
    let (mut rm, mut ledger) = (ResourceManager::started(), Ledger::default());
    ledger.ask(1, ask(1, 256));
    let response = rm.allocate(&ledger.request()).unwrap();
    ledger.answer(&response);
    rm.schedule();
    ledger.ask(1, ask(1, 128));
    let response = rm.allocate(&ledger.request()).unwrap();
    assert_eq!(ledger.answer(&response).granted.len(), 1);
    let rows = ledger.request().asks;
    assert_eq!(rows.iter().map(|row| (row.id, row.count)).collect::<Vec<_>>(), [(1, 0)]);
}

#[test]
fn a_grant_that_crosses_nothing_is_followed_by_silence() {
    let (mut rm, mut master) = (ResourceManager::started(), Master::default());
    master.wanted.insert(1, 1);
    master.ledger.ask(1, ask(1, 128));
    master.turn(&mut rm);
    rm.schedule();
    master.turn(&mut rm);
    assert_eq!(master.kept.len(), 1);
    assert!(!master.ledger.has_unsent());
}
