//! Plays a script on the real ResourceManager, then on the simulated one, and compares what stands when both are quiet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::time::{Duration, Instant};

use hadoop_yarn::{
    AllocateRequest, AllocateResponse, Ask, AskRow, Container, ContainerId, Error, LaunchContext, Ledger, NodeId,
    NodeState, RegisterRequest, Resource, Signal as NodeSignal,
};
use maas_sim::yarn::{Known, Start, Yarn};

use super::real::{Attempt, MASTER_MEMORY, Real};
use super::script::{LEDGER_FROM, Program, Row, Signal, Step, Wrong};

/// The real one is quiet once it has done what the simulated one would do; it differs if it has not after so long.
const PATIENCE: Duration = Duration::from_secs(20);
const BEAT: Duration = Duration::from_millis(20);

/// What came of a step, until quiet.
#[derive(Clone, Debug, Default)]
struct News {
    granted: Vec<Container>,
    completed: Vec<(ContainerId, i32)>,
    nodes: BTreeSet<(NodeId, &'static str)>,
    previous: Vec<ContainerId>,
    headroom: i64,
}

impl News {
    fn take(&mut self, answer: &AllocateResponse) -> bool {
        self.granted.extend(answer.allocated.iter().cloned());
        self.completed.extend(answer.completed.iter().map(|s| (s.id, s.exit_status)));
        let state = |state: NodeState| if state == NodeState::Lost { "lost" } else { "running" };
        self.nodes.extend(answer.updated_nodes.iter().map(|n| (n.id.clone(), state(n.state))));
        self.previous.extend(answer.previous_containers.iter().map(|c| c.id));
        self.headroom = answer.headroom.as_ref().map_or(0, |r| r.memory_mb);
        !(answer.allocated.is_empty() && answer.completed.is_empty() && answer.previous_containers.is_empty())
    }

    fn keys(&self) -> Vec<(i32, i64, i64)> {
        let mut keys: Vec<_> =
            self.granted.iter().map(|c| (c.priority, c.allocation_request_id, c.resource.memory_mb)).collect();
        keys.sort_unstable();
        keys
    }

    fn statuses(&self) -> Vec<i32> {
        let mut all: Vec<i32> = self.completed.iter().map(|(_, status)| *status).collect();
        all.sort_unstable();
        all
    }
}

/// A side's heartbeats: its ledger keeps the response id.
type Rows = (Vec<AskRow>, Vec<ContainerId>);

fn request(ledger: &mut Ledger, (rows, releases): &Rows) -> AllocateRequest {
    let mut request = ledger.request();
    request.asks.extend(rows.iter().cloned());
    for id in releases {
        if !request.releases.contains(id) {
            request.releases.push(*id);
        }
    }
    request
}

fn answer(ledger: &mut Ledger, answer: &AllocateResponse) {
    let mut own = answer.clone();
    own.allocated.retain(|c| c.allocation_request_id >= LEDGER_FROM);
    ledger.answer(&own);
}

fn class<T>(result: &Result<T, Error>) -> String {
    match result {
        Ok(_) => "fine".to_owned(),
        Err(error) if error.is_attempt_gone() => "the attempt is gone".to_owned(),
        Err(Error::NotRegistered) => "not registered".to_owned(),
        Err(Error::AlreadyRegistered) => "already registered".to_owned(),
        Err(Error::ResponseId { .. }) => "wrong response id".to_owned(),
        Err(Error::Refused { remote }) => format!("refused: {}", remote.simple_class()),
        Err(Error::Container { .. }) => "refused by the node".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

fn same<T: PartialEq + Debug>(what: &str, real: T, simulated: T) -> Result<(), String> {
    let short = |side: &T| format!("{side:?}").replace("ContainerId { attempt: AttemptId { application: ", "");
    if real == simulated {
        Ok(())
    } else {
        Err(format!("{what}: really {}, simulated {}", short(&real), short(&simulated)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Granted,
    Runs,
    Over,
}

/// A container; it has the same id on both sides.
#[derive(Clone, Debug)]
struct Held {
    real: Container,
    state: State,
}

/// A simulated ResourceManager, and the ledger of its master. There are several where the real one has made a choice
/// that has not shown yet: on which node it keeps room for an ask that fits nowhere.
#[derive(Clone, Debug)]
struct Side {
    yarn: Yarn,
    ledger: Ledger,
}

struct Pair<'a> {
    real: &'a Real,
    attempt: Attempt,
    ledger: Ledger,
    last_real: Option<AllocateRequest>,
    last_answer: Option<AllocateResponse>,
    sims: Vec<Side>,
    held: Vec<Held>,
    now: u64,
    counts: BTreeMap<&'static str, usize>,
}

/// Plays a script with an application of its own.
pub async fn run(real: &Real, script: &[Step]) -> Result<String, (usize, String)> {
    let since = Instant::now();
    let mut pair = Pair::start(real).await.map_err(|what| (0, what))?;
    let mut failed = None;
    for (n, step) in script.iter().enumerate() {
        if let Err(what) = pair.play(step).await {
            failed = Some((
                n,
                format!("{step:?}: {what}\nsimulated asks {:?} in {} worlds", pair.first().asks, pair.sims.len()),
            ));
            break;
        }
    }
    let finished = pair.attempt.master.finish(hadoop_yarn::FinalStatus::Succeeded, "", "").await;
    if finished.is_err() {
        while !real.rm.kill(pair.attempt.id.application, "over").await.unwrap_or(false) {}
    }
    super::real::until("the application is over", async || {
        let report = real.rm.report(pair.attempt.id.application).await.ok()?;
        report.state.is_over().then_some(())
    })
    .await;
    match failed {
        Some(failed) => Err(failed),
        None => Ok(format!("steps={} seconds={:.0} {:?}", script.len(), since.elapsed().as_secs_f64(), pair.counts)),
    }
}

impl<'a> Pair<'a> {
    async fn start(real: &'a Real) -> Result<Self, String> {
        let (application, attempt) = real.submit().await;
        let mut sim = Yarn::new(application, &[2_048, 2_048]);
        for (n, node) in sim.nodes.iter_mut().enumerate() {
            node.id = real.cluster.node_id(n).parse().unwrap();
        }
        let mut pair = Self {
            real,
            attempt,
            ledger: Ledger::default(),
            last_real: None,
            last_answer: None,
            sims: vec![Side { yarn: sim, ledger: Ledger::default() }],
            held: Vec::new(),
            now: 0,
            counts: BTreeMap::new(),
        };
        pair.seat_master();
        pair.unregistered().await?;
        pair.register().await?;
        pair.say(Default::default()).await?;
        Ok(pair)
    }

    /// The master has its place in the simulated cluster, too.
    fn seat_master(&mut self) {
        let container = Container {
            id: self.attempt.container,
            node: self.attempt.node.clone(),
            resource: Resource::new(MASTER_MEMORY, 1),
            ..Container::default()
        };
        let known = Known { container, started: Some(0) };
        self.each(|sim| drop(sim.containers.insert(known.container.id, known.clone())));
    }

    fn first(&self) -> &Yarn {
        &self.sims[0].yarn
    }

    fn each(&mut self, mut act: impl FnMut(&mut Yarn)) {
        self.sims.iter_mut().for_each(|side| act(&mut side.yarn));
    }

    /// The same call on each; it is answered alike by all.
    fn call<T>(&mut self, mut act: impl FnMut(&mut Side) -> T) -> T {
        let mut answers: Vec<T> = self.sims.iter_mut().map(&mut act).collect();
        answers.swap_remove(0)
    }

    /// A heartbeat before registration.
    async fn unregistered(&mut self) -> Result<(), String> {
        let real = self.attempt.master.allocate(AllocateRequest::default()).await;
        let simulated = self.call(|s| s.yarn.allocate(s.yarn.attempt, &AllocateRequest::default()));
        same("a heartbeat before registration", class(&real), class(&simulated))
    }

    async fn register(&mut self) -> Result<(), String> {
        let real = self.attempt.master.register(RegisterRequest::default()).await;
        let simulated = self.call(|s| s.yarn.register(s.yarn.attempt));
        same("registration", class(&real), class(&simulated))?;
        let (Ok(real), Ok(simulated)) = (real, simulated) else { return Ok(()) };
        same("largest container", real.maximum.memory_mb, simulated.maximum.memory_mb)?;
        self.attempt.nodes.remember(&real.nm_tokens);
        let real: BTreeSet<ContainerId> = real.previous_containers.iter().map(|c| c.id).collect();
        let mut simulated: BTreeSet<ContainerId> = simulated.previous_containers.iter().map(|c| c.id).collect();
        simulated.remove(&self.attempt.container);
        same("containers of earlier attempts", real, simulated)?;
        (self.last_real, self.last_answer) = (None, None);
        Ok(())
    }

    fn rows(&self, rows: &[Row], releases: &[usize]) -> Rows {
        let row =
            |r: &Row| AskRow { id: r.id, priority: r.priority, capability: Resource::new(r.memory, 1), count: r.count };
        (rows.iter().map(row).collect(), releases.iter().map(|n| self.held[*n].real.id).collect())
    }

    async fn beat_real(&mut self, rows: &Rows, news: &mut News) -> Result<bool, Error> {
        let request = request(&mut self.ledger, rows);
        let answered = self.attempt.master.allocate(request.clone()).await;
        match &answered {
            Ok(response) => {
                self.attempt.nodes.remember(&response.nm_tokens);
                answer(&mut self.ledger, response);
                (self.last_real, self.last_answer) = (Some(request), Some(response.clone()));
            }
            Err(error) => self.ledger.failed(error),
        }
        answered.map(|response| news.take(&response))
    }

    async fn quiet_real(&mut self, news: &mut News, forecast: &News) -> Result<(), String> {
        let nothing = (Vec::new(), Vec::new());
        let until = Instant::now() + PATIENCE;
        let mut empty = 0;
        loop {
            tokio::time::sleep(BEAT).await;
            let new = self.beat_real(&nothing, news).await.map_err(|e| format!("heartbeat: {e}"))?;
            empty = if new || self.ledger.has_unsent() { 0 } else { empty + 1 };
            // Room that a dying master leaves may be granted to its attempt, which never hears of it: the next one hears the end.
            let told = |id: &ContainerId| self.held.iter().any(|h| h.real.id == *id);
            let known = |id: &ContainerId| id.attempt == self.attempt.id || told(id);
            news.completed.retain(|(id, status)| *status != -100 || known(id));
            let as_told = news.keys() == forecast.keys()
                && news.statuses() == forecast.statuses()
                && news.nodes.is_superset(&forecast.nodes)
                && news.headroom == forecast.headroom;
            if (as_told && empty >= 3) || Instant::now() > until {
                return Ok(());
            }
        }
    }

    /// One heartbeat with these words, and quiet, on both sides.
    async fn say(&mut self, rows: Rows) -> Result<(), String> {
        let mut forecast = News::default();
        let told = simulate(&mut self.sims[0].clone(), &rows, &mut forecast);
        let mut news = News::default();
        let answered = self.beat_real(&rows, &mut news).await;
        same("heartbeat", class(&answered), class(&told))?;
        self.quiet_real(&mut news, &forecast).await?;
        self.compare(&news, |side, news| drop(simulate(side, &rows, news))).await
    }

    /// Has each simulated side do the same, in each way that it may, and keeps those that came out like the real one.
    async fn compare(&mut self, news: &News, act: impl Fn(&mut Side, &mut News)) -> Result<(), String> {
        let mut places: BTreeMap<(i32, i64), VecDeque<_>> = BTreeMap::new();
        for c in &news.granted {
            places.entry((c.priority, c.allocation_request_id)).or_default().push_back((c.node.clone(), c.id));
        }
        let mut worlds: Vec<(Side, News)> = Vec::new();
        for side in &self.sims {
            for node in &side.yarn.nodes {
                let mut world = (side.clone(), News::default());
                (world.0.yarn.places, world.0.yarn.reserve_on) = (places.clone(), Some(node.id.clone()));
                act(&mut world.0, &mut world.1);
                (world.0.yarn.places, world.0.yarn.reserve_on) = (BTreeMap::new(), None);
                if !worlds.iter().any(|(known, _)| known.yarn == world.0.yarn) {
                    worlds.push(world);
                }
            }
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let outstanding = self.real.outstanding(self.attempt.id.application).await;
            let living = self.living().await?;
            let judged: Vec<_> =
                worlds.iter().map(|(side, told)| judge(side, told, news, &outstanding, &living)).collect();
            if judged.iter().any(Result::is_ok) {
                let good = worlds.into_iter().zip(&judged).filter(|(_, judged)| judged.is_ok());
                self.sims = good.map(|((side, _), _)| side).collect();
                break;
            }
            if Instant::now() > until {
                judged.into_iter().next().unwrap()?;
            }
            tokio::time::sleep(BEAT).await;
        }
        self.held.extend(news.granted.iter().map(|c| Held { real: c.clone(), state: State::Granted }));
        for held in &mut self.held {
            if news.completed.iter().any(|(id, _)| *id == held.real.id) {
                held.state = State::Over;
            }
        }
        *self.counts.entry("granted").or_default() += news.granted.len();
        *self.counts.entry("completed").or_default() += news.completed.len();
        *self.counts.entry("quiet points").or_default() += 1;
        Ok(())
    }

    /// The containers that the real one has.
    async fn living(&self) -> Result<BTreeSet<ContainerId>, String> {
        let all = self.real.rm.containers(self.attempt.id).await.map_err(|e| e.to_string())?;
        Ok(all.iter().filter(|c| c.state != hadoop_yarn::ContainerState::Complete).map(|c| c.id).collect())
    }

    fn pick(&self, n: usize, states: &[State]) -> Option<usize> {
        let all: Vec<usize> = (0..self.held.len()).filter(|at| states.contains(&self.held[*at].state)).collect();
        (!all.is_empty()).then(|| all[n % all.len()])
    }

    async fn play(&mut self, step: &Step) -> Result<(), String> {
        self.now += 10_000;
        let nothing = Rows::default();
        match step {
            Step::Ask(rows) => self.say(self.rows(rows, &[])).await,
            Step::AskAndCancel(row) => self.ask_and_cancel(*row).await,
            Step::LedgerAsk { id, priority, memory } => {
                let ask = Ask { priority: *priority, capability: Resource::new(*memory, 1) };
                self.ledger.ask(*id, ask.clone());
                self.call(|s| s.ledger.ask(*id, ask.clone()));
                self.say(nothing).await
            }
            Step::LedgerCancel(id) => {
                self.ledger.cancel(*id);
                self.call(|s| s.ledger.cancel(*id));
                self.say(nothing).await
            }
            Step::Release(n) => match self.pick(*n, &[State::Granted, State::Runs]) {
                Some(at) => self.say(self.rows(&[], &[at])).await,
                None => Ok(()),
            },
            Step::ReleaseAgain(n) => match self.pick(*n, &[State::Over]) {
                Some(at) => self.say(self.rows(&[], &[at])).await,
                None => Ok(()),
            },
            Step::Start(n, program) => match self.pick(*n, &[State::Granted]) {
                Some(at) => self.start_container(at, *program).await,
                None => Ok(()),
            },
            Step::StartAgain(n) => match self.pick(*n, &[State::Runs, State::Over]) {
                Some(at) => self.start_container(at, Program::Stays).await,
                None => Ok(()),
            },
            Step::Signal(n, signal) => match self.pick(*n, &[State::Runs]) {
                Some(at) => {
                    let (node, id) = self.node(at)?;
                    let (sent, status) = match signal {
                        Signal::Kill => (NodeSignal::Kill, 137),
                        Signal::Terminate => (NodeSignal::Terminate, 143),
                    };
                    node.signal(id, sent).await.map_err(|e| e.to_string())?;
                    self.each(|sim| _ = sim.end(id, status, ""));
                    self.say(nothing).await
                }
                None => Ok(()),
            },
            Step::Stop(n) => self.stop(*n, State::Runs).await,
            Step::StopUnstarted(n) => self.stop(*n, State::Granted).await,
            Step::RepeatLast => self.repeat_last().await,
            Step::Wrong(wrong) => self.wrong(*wrong).await,
            Step::LoseNode => self.lose_node().await,
            Step::RestartRm(n) => self.restart_rm(*n).await,
            Step::NextAttempt => self.next_attempt().await,
        }
    }

    /// The ResourceManager is killed and starts again; meanwhile some container ends.
    async fn restart_rm(&mut self, n: usize) -> Result<(), String> {
        self.nodes_agree("on nodes before the restart").await?;
        self.real.cluster.resource_manager().kill().map_err(|e| e.to_string())?;
        if let Some(at) = self.pick(n, &[State::Runs]) {
            let (node, id) = self.node(at)?;
            node.signal(id, NodeSignal::Kill).await.map_err(|e| e.to_string())?;
            self.each(|sim| _ = sim.end(id, 137, ""));
        }
        self.nodes_agree("on nodes without ResourceManager").await?;
        *self.counts.entry("told after a restart").or_default() += self.first().untold().len();
        self.real.cluster.resource_manager().start().await.map_err(|e| e.to_string())?;
        self.real.cluster.await_ready().await.map_err(|e| e.to_string())?;
        self.each(Yarn::restart);
        self.unregistered().await?;
        self.ledger.failed(&Error::NotRegistered);
        self.call(|s| s.ledger.failed(&Error::NotRegistered));
        self.register().await?;
        self.held.iter_mut().filter(|h| h.state == State::Granted).for_each(|h| h.state = State::Over);
        self.say(Rows::default()).await
    }

    /// What NodeManagers have in memory, which a ResourceManager that starts will hear: what lives, and which ends.
    async fn nodes_agree(&self, what: &str) -> Result<(), String> {
        let sim = self.first();
        let started = sim.containers.iter().filter(|(_, k)| k.started.is_some());
        let simulated = (started.map(|(id, _)| *id).collect(), sim.untold());
        let until = Instant::now() + PATIENCE;
        loop {
            let real = self.real.on_nodes(self.attempt.id.application).await;
            if real == simulated || Instant::now() > until {
                return same(what, real, simulated);
            }
            tokio::time::sleep(BEAT).await;
        }
    }

    /// A NodeManager is told to stop some container in this state, if there is one.
    async fn stop(&mut self, n: usize, state: State) -> Result<(), String> {
        let Some(at) = self.pick(n, &[state]) else { return Ok(()) };
        let (node, id) = self.node(at)?;
        node.stop(id).await.map_err(|e| e.to_string())?;
        self.each(|sim| _ = sim.stop(id));
        self.say(Rows::default()).await
    }

    fn node(&self, at: usize) -> Result<(hadoop_yarn::NodeClient, ContainerId), String> {
        let held = &self.held[at];
        Ok((self.attempt.nodes.get(&held.real.node).map_err(|e| e.to_string())?, held.real.id))
    }

    async fn ask_and_cancel(&mut self, row: Row) -> Result<(), String> {
        let (ask, cancel) = (self.rows(&[row], &[]), self.rows(&[Row { count: 0, ..row }], &[]));
        let both = |side: &mut Side, news: &mut News| {
            let told = side.yarn.allocate(side.yarn.attempt, &request(&mut side.ledger, &ask)).unwrap();
            answer(&mut side.ledger, &told);
            news.take(&told);
            simulate(side, &cancel, news).unwrap();
        };
        let (mut news, mut forecast) = (News::default(), News::default());
        both(&mut self.sims[0].clone(), &mut forecast);
        self.beat_real(&ask, &mut news).await.map_err(|e| e.to_string())?;
        // Long enough to be granted, if it can be.
        tokio::time::sleep(Duration::from_millis(400)).await;
        self.beat_real(&cancel, &mut news).await.map_err(|e| e.to_string())?;
        self.quiet_real(&mut news, &forecast).await?;
        self.compare(&news, both).await
    }

    async fn start_container(&mut self, at: usize, program: Program) -> Result<(), String> {
        let held = self.held[at].clone();
        let command = match program {
            Program::Stays => "exec sleep 100000".to_owned(),
            Program::Exits(status) => format!("exit {status}"),
        };
        // A new attempt has tokens only of nodes where it has been granted something.
        let Ok((node, _)) = self.node(at) else { return Ok(()) };
        let started = node.start(&held.real, &LaunchContext { command, ..LaunchContext::default() }).await;
        let started = match started {
            Err(error) if error.is_already_started() => Ok(()),
            other => other,
        };
        let (id, now) = (held.real.id, self.now);
        let taken = self.call(|s| s.yarn.start(id, now)) != Start::Refused;
        same("start", class(&started), if taken { "fine".to_owned() } else { "refused by the node".to_owned() })?;
        if held.state == State::Granted && taken {
            self.held[at].state = State::Runs;
            match program {
                Program::Exits(status) => self.each(|sim| _ = sim.end(id, status, "")),
                Program::Stays => self.real.until_running(id).await,
            }
        }
        self.say(Rows::default()).await
    }

    /// The answer to the last heartbeat was lost: it is sent again.
    async fn repeat_last(&mut self) -> Result<(), String> {
        let (Some(last), Some(before)) = (self.last_real.clone(), self.last_answer.clone()) else { return Ok(()) };
        let again = self.attempt.master.allocate(last).await.map_err(|e| e.to_string())?;
        let essence = |r: &AllocateResponse| {
            let ids = r.allocated.iter().map(|c| c.id).collect::<Vec<_>>();
            (r.response_id, ids, r.completed.clone())
        };
        same("the repeated answer", essence(&again), essence(&before))
    }

    async fn wrong(&mut self, wrong: Wrong) -> Result<(), String> {
        let nothing = Rows::default();
        match wrong {
            Wrong::RegisterTwice => {
                let real = self.attempt.master.register(RegisterRequest::default()).await;
                same("a second registration", class(&real), class(&self.call(|s| s.yarn.register(s.yarn.attempt))))?;
            }
            Wrong::ResponseId => {
                let mut request = self.ledger.clone().request();
                request.response_id += 5;
                let real = self.attempt.master.allocate(request).await;
                let simulated = self.call(|s| {
                    let mut request = s.ledger.clone().request();
                    request.response_id += 5;
                    s.yarn.allocate(s.yarn.attempt, &request)
                });
                same("a wrong response id", class(&real), class(&simulated))?;
            }
            Wrong::TooLarge => {
                let small = Row { priority: 1, id: 6, memory: 128, count: 1 };
                let rows = self.rows(&[small, Row { id: 7, memory: 2_176, ..small }], &[]);
                let real = self.attempt.master.allocate(request(&mut self.ledger, &rows)).await;
                let simulated = self.call(|s| {
                    let told = s.yarn.allocate(s.yarn.attempt, &request(&mut s.ledger, &rows));
                    told.inspect_err(|error| s.ledger.failed(error))
                });
                same("an ask above the largest node", class(&real), class(&simulated))?;
                self.ledger.failed(&real.unwrap_err());
            }
            Wrong::ReleaseUnknown => {
                let id = ContainerId { attempt: self.attempt.id, id: 9_999 };
                return self.say((Vec::new(), vec![id])).await;
            }
        }
        self.say(nothing).await
    }

    async fn lose_node(&mut self) -> Result<(), String> {
        let n = 1 - self.real.index(&self.attempt.node);
        let node = self.first().nodes[n].id.clone();
        let runs = self.held.iter().filter(|h| h.state == State::Runs && h.real.node == node);
        let living: BTreeSet<ContainerId> = runs.map(|h| h.real.id).collect();
        self.real.cluster.node_manager(n).kill().map_err(|e| e.to_string())?;
        self.real.until_lost(&node).await;
        self.each(|sim| drop(sim.lose(n)));
        self.say(Rows::default()).await.map_err(|e| format!("lost: {e}"))?;
        self.real.cluster.node_manager(n).start().await.map_err(|e| e.to_string())?;
        self.real.cluster.await_node_running(n).await.map_err(|e| e.to_string())?;
        self.each(|sim| drop(sim.revive(n, |id| living.contains(id))));
        self.say(Rows::default()).await.map_err(|e| format!("back: {e}"))
    }

    async fn next_attempt(&mut self) -> Result<(), String> {
        let next = self.real.next_attempt(&self.attempt).await;
        let old = std::mem::replace(&mut self.attempt, next);
        let now = self.now;
        self.each(|sim| {
            sim.end_master(old.container, 137);
            sim.next_attempt(now);
        });
        self.seat_master();
        let late = old.master.allocate(AllocateRequest::default()).await;
        let simulated = self.call(|s| s.yarn.allocate(s.yarn.attempt - 1, &AllocateRequest::default()));
        same("a heartbeat of an older attempt", class(&late), class(&simulated))?;
        self.ledger = Ledger::default();
        self.call(|s| s.ledger = Ledger::default());
        self.unregistered().await?;
        self.register().await?;
        self.held.iter_mut().filter(|h| h.state == State::Granted).for_each(|h| h.state = State::Over);
        self.say(Rows::default()).await
    }
}

/// Whether what a simulated side did is what the real one did.
fn judge(
    side: &Side,
    simulated: &News,
    real: &News,
    outstanding: &[(i32, i64, i64)],
    living: &BTreeSet<ContainerId>,
) -> Result<(), String> {
    let containers = |news: &News| {
        let one = |c: &Container| (c.priority, c.allocation_request_id, c.resource.memory_mb, c.id, c.node.clone());
        news.granted.iter().map(one).collect::<BTreeSet<_>>()
    };
    let sorted = |news: &News| news.completed.iter().copied().collect::<BTreeSet<_>>();
    let asks = side.yarn.asks.iter().map(|((priority, id), (_, n))| (*priority, *id, i64::from(*n)));
    let all = [
        same("granted (priority, id, memory)", real.keys(), simulated.keys()),
        same("granted", containers(real), containers(simulated)),
        same("completed", sorted(real), sorted(simulated)),
        same("earlier attempts' containers", &real.previous, &simulated.previous),
        same("headroom", real.headroom, simulated.headroom),
        same("outstanding", outstanding, &asks.collect::<Vec<_>>()),
        same("alive", living, &side.yarn.containers.keys().copied().collect()),
    ];
    let differ: Vec<String> = all.into_iter().filter_map(Result::err).collect();
    if differ.is_empty() { Ok(()) } else { Err(differ.join("\n")) }
}

/// The same on the simulated side: a heartbeat, and more until nothing comes.
fn simulate(side: &mut Side, rows: &Rows, news: &mut News) -> Result<(), Error> {
    let Side { yarn, ledger } = side;
    let mut told = yarn.allocate(yarn.attempt, &request(ledger, rows));
    let mut empty = 0;
    while empty < 3 {
        match &told {
            Ok(response) => {
                answer(ledger, response);
                empty = if news.take(response) || ledger.has_unsent() { 0 } else { empty + 1 };
            }
            Err(error) => {
                ledger.failed(error);
                return told.map(drop);
            }
        }
        told = yarn.allocate(yarn.attempt, &request(ledger, &Rows::default()));
    }
    if let Ok(response) = &told {
        answer(ledger, response);
    }
    Ok(())
}
