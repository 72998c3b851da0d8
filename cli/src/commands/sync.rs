//! GitOps: a directory or a repository is applied continuously. Decisions are pure (`source`, `declared`, `plan`,
//! `report`); what is here waits, reads and writes.

mod control;
mod declared;
mod directory;
mod git;
mod owner;
mod plan;
mod reader;
mod record;
mod report;
mod round;
mod source;
mod view;

use std::process::ExitCode;

use maas_store::{Change, Mirror, Node, SyncOwner, SyncRecord, SyncSpec, SyncStatus, mirror};
use sha2::{Digest, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Duration, Instant, sleep_until};

use self::directory::Stamp;
use self::owner::OwnedError;
use self::reader::Reader;
use self::report::retry_after;
use self::round::{Ended, Syncer};
use self::source::Source;
use self::view::Changed;
use super::connection::{Part, ensure_tree, open};
use crate::args::Sync;
use crate::output::{self, StdoutClosed};
use crate::settings::Settings;

pub(crate) use control::{delete, reconcile, resume, suspend};

/// Changes that come together are met with one round.
const TOGETHER: Duration = Duration::from_millis(50);
/// Between two rounds that only heal, and between two looks at how a source on this machine is stamped.
const PACE: Duration = Duration::from_secs(1);

/// Runs the sync until it is told to end, or for one round.
pub(crate) async fn sync(settings: &Settings, args: Sync) -> anyhow::Result<ExitCode> {
    // From the start: whoever sees it work can end it well.
    let mut stop = Stop::new()?;
    let source = Source::find(&args.source, args.branch.as_deref(), args.path.as_deref())?;
    let name = args.name.map_or_else(|| source.name(), Ok)?;
    let namespace = settings.namespace();
    let (branch, path) = match &source {
        Source::Directory(_) => (None, None),
        Source::Repository(repository) => (repository.branch.clone(), repository.path.clone()),
    };
    let spec = SyncSpec {
        source: source.shown(),
        branch,
        path,
        interval_ms: u64::try_from(args.interval.as_millis()).unwrap_or(u64::MAX),
        prune: args.prune,
        heal: !args.no_heal,
        suspended: false,
        requested_at: None,
    };
    let mirror_of = [&settings.quorum, &settings.root.to_string(), namespace.as_str(), name.as_str(), &args.source];
    let reader = Reader::open(source, &key(&mirror_of)).await?;
    let store = open(settings).await?;
    ensure_tree(&store).await?;
    let me = owner::this_process();
    owner::take(&store, &namespace, &name, &spec, &me).await?;
    let ended = {
        let record = SyncRecord { spec, status: SyncStatus::default() };
        let syncer = Syncer::new(store.clone(), namespace, name, settings.namespace.clone(), reader, record);
        let mut shell = Shell { syncer, me, due: Due::default(), seen: None, moving: None, stumbles: 0 };
        tokio::select! {
            ended = shell.run(args.once) => ended,
            // What is under way may be done or not: the next round tells.
            () = stop.asked() => Ok(ExitCode::SUCCESS),
        }
    };
    // The next one need not wait for this session to end.
    store.close().await;
    ended
}

/// The name of the mirror of one sync of one tree.
fn key(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The signals that ask a process to end.
struct Stop([Signal; 2]);

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?]))
    }

    async fn asked(&mut self) {
        let [terminate, interrupt] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// When what is to be done next; none is not at all.
#[derive(Default)]
struct Due {
    /// Making sure that the sync is still this process's.
    hold: Option<Instant>,
    /// A look at the source, and a round.
    look: Option<Instant>,
    /// A round with what is known of the source.
    round: Option<Instant>,
    /// The health of what was applied, told.
    health: Option<Instant>,
    /// A look at how the source on this machine is stamped.
    stamp: Option<Instant>,
}

impl Due {
    fn next(&self) -> Option<Instant> {
        [self.hold, self.look, self.round, self.health, self.stamp].into_iter().flatten().min()
    }
}

/// Sets a time unless an earlier one is set.
fn at_most(due: &mut Option<Instant>, at: Instant) {
    *due = Some(due.map_or(at, |due| due.min(at)));
}

fn is_due(due: &mut Option<Instant>) -> bool {
    due.take_if(|due| *due <= Instant::now()).is_some()
}

/// Waits for what happens in the tree, in the source and by the clock, and has the syncer act.
struct Shell {
    syncer: Syncer,
    me: SyncOwner,
    due: Due,
    /// How the source on this machine was stamped when it was read, and at the last look since.
    seen: Option<Stamp>,
    moving: Option<Stamp>,
    /// Steps that failed, one after another.
    stumbles: u32,
}

impl Shell {
    async fn run(&mut self, once: bool) -> anyhow::Result<ExitCode> {
        let mut changes = self.follow();
        // Nothing is decided before the whole tree is known.
        loop {
            let change = changes.next().await;
            let listed = change == Change::Listed;
            self.take_in(change);
            if listed {
                break;
            }
        }
        if once {
            return self.once().await;
        }
        if self.syncer.record.spec.suspended {
            output::note(&format!("note: it is suspended, and waits for `maasctl resume sync {}`", self.syncer.name));
        }
        self.due.look = Some(Instant::now());
        loop {
            match self.step().await {
                Ok(Ended::Not) => {}
                Ok(Ended::Deleted) => return Ok(self.deleted()),
                Err(error) if error.is::<OwnedError>() || error.is::<StdoutClosed>() => return Err(error),
                // ZooKeeper's trouble passes.
                Err(error) => {
                    self.stumbles += 1;
                    let wait = retry_after(self.stumbles);
                    output::note(&format!("error: {error:#}; trying again in {} s", wait.as_secs()));
                    self.due.look = Some(Instant::now() + wait);
                }
            }
            let next = self.due.next();
            let wait = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // What the tree tells is taken in before anything is done.
                biased;
                change = changes.next() => self.take_in(change),
                () = wait => {}
            }
        }
    }

    /// Does what is due, one thing at a time.
    async fn step(&mut self) -> anyhow::Result<Ended> {
        if let Some(at) = self.due.hold {
            // Nothing is done by one who may not be the owner.
            if at > Instant::now() {
                return Ok(Ended::Not);
            }
            self.due.hold = Some(Instant::now() + PACE);
            if self.hold().await? == Ended::Deleted {
                return Ok(Ended::Deleted);
            }
            self.due.hold = None;
        }
        if is_due(&mut self.due.look) {
            return self.look().await;
        }
        if is_due(&mut self.due.round) {
            let ended = self.syncer.act(false).await?;
            self.after_round();
            return Ok(ended);
        }
        if is_due(&mut self.due.health) {
            return self.syncer.tell_health().await;
        }
        if is_due(&mut self.due.stamp) {
            let now = self.syncer.reader.stamp().await;
            // Whoever writes it is given the time to come to an end.
            if now != self.seen && now == self.moving {
                self.due.look = Some(Instant::now());
            }
            self.moving = now;
            self.due.stamp = Some(Instant::now() + PACE / 2);
        }
        Ok(Ended::Not)
    }

    fn follow(&self) -> Mirror {
        let store = &self.syncer.store;
        let sync = Node::Sync { namespace: self.syncer.namespace.clone(), name: self.syncer.name.clone() };
        mirror(store, vec![Part::Specs.path(store, None), Part::Status.path(store, None), store.path(&sync)])
    }

    fn deleted(&self) -> ExitCode {
        output::note(&format!(
            "note: sync {}/{} was deleted: what it applied stays, and nothing looks after it any more",
            self.syncer.namespace, self.syncer.name
        ));
        ExitCode::SUCCESS
    }

    async fn once(&mut self) -> anyhow::Result<ExitCode> {
        let (namespace, name) = (&self.syncer.namespace, &self.syncer.name);
        if self.syncer.record.spec.suspended {
            anyhow::bail!(
                "sync {namespace}/{name} is suspended, and nothing was done: `maasctl resume sync {name} -n {namespace}` first"
            );
        }
        if self.look().await? == Ended::Deleted {
            return Ok(self.deleted());
        }
        Ok(if self.syncer.last.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn look(&mut self) -> anyhow::Result<Ended> {
        (self.seen, self.moving) = (self.syncer.reader.stamp().await, None);
        let ended = self.syncer.look().await?;
        (self.due.round, self.stumbles) = (None, 0);
        self.after_round();
        Ok(ended)
    }

    /// Sets when the next look is due.
    fn after_round(&mut self) {
        if self.syncer.record.spec.suspended {
            self.due = Due { hold: self.due.hold, ..Due::default() };
            return;
        }
        let now = Instant::now();
        at_most(&mut self.due.look, now + self.syncer.wait());
        if self.syncer.reader.has_stamps() {
            at_most(&mut self.due.stamp, now + PACE / 2);
        }
    }

    /// Takes a change of the tree in, and sets what is due for it.
    fn take_in(&mut self, change: Change) {
        let now = Instant::now();
        let (path, put) = match change {
            Change::Put { path, data, stat } => (path, Some((data, stat))),
            Change::Gone { path } => (path, None),
            // It may be another than the one that owned the sync.
            Change::Session { .. } => return self.due.hold = Some(now),
            Change::Lost => return output::note("note: the connection to ZooKeeper is lost; trying to get it back"),
            Change::Listing | Change::Listed => return,
        };
        let (own_namespace, own_name) = (&self.syncer.namespace, &self.syncer.name);
        match (Node::parse(self.syncer.store.root(), &path), put) {
            (Some(Node::Sync { namespace, name }), put) if namespace == *own_namespace && name == *own_name => {
                match put.and_then(|(data, _)| SyncRecord::decode(&path, &data).ok()) {
                    Some(record) => self.order(record.spec),
                    None => self.due.hold = Some(now),
                }
            }
            (Some(Node::SyncOwner { namespace, name }), put) if namespace == *own_namespace && name == *own_name => {
                let owner = put.and_then(|(data, _)| SyncOwner::decode(&path, &data).ok());
                if !owner.is_some_and(|owner| owner::is_same(&owner, &self.me)) {
                    self.due.hold = Some(now);
                }
            }
            (_, put) => {
                let changed = match put {
                    Some((data, stat)) => self.syncer.view.put(&path, &data, stat),
                    None => self.syncer.view.gone(&path),
                };
                if !self.syncer.record.spec.suspended {
                    self.follow_up(&changed);
                }
            }
        }
    }

    /// What a change of one of its objects calls for; what is done with others' is of no concern.
    fn follow_up(&mut self, changed: &Changed) {
        let Some(declaration) = &self.syncer.declaration else { return };
        let now = Instant::now();
        match changed {
            Changed::Spec(key) if declaration.objects.contains_key(key) => {
                let paced = self.syncer.healed_at.map_or(now, |healed| healed + PACE);
                at_most(&mut self.due.round, paced.max(now + TOGETHER));
            }
            Changed::Status(key) if declaration.objects.contains_key(key) => {
                at_most(&mut self.due.health, now + PACE / 2)
            }
            _ => {}
        }
    }

    /// What users ask for: suspended, resumed, now.
    fn order(&mut self, spec: SyncSpec) {
        let record = &mut self.syncer.record;
        let was_suspended = std::mem::replace(&mut record.spec, spec).suspended;
        if record.spec.suspended {
            self.due = Due { hold: self.due.hold, ..Due::default() };
        } else if was_suspended || record.spec.requested_at > record.status.handled_at {
            self.due.look = Some(Instant::now());
        }
    }

    /// Makes sure that this session owns the sync; another process that does ends this one.
    async fn hold(&mut self) -> anyhow::Result<Ended> {
        let Syncer { store, namespace, name, record, .. } = &self.syncer;
        if maas_store::get_sync(store, namespace, name).await?.is_none() {
            return Ok(Ended::Deleted);
        }
        owner::take(store, namespace, name, &record.spec, &self.me).await?;
        Ok(Ended::Not)
    }
}
