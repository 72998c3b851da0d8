//! Keeps the instance's znodes as the life wants them, over lost connections and expired sessions.
//!
//! Level-triggered: the life says what should be so ([`Registration::publish`], [`Registration::withdraw`], ...) and never
//! waits; one task compares that with what is so and mends the difference, latest wish first. What was asked while
//! ZooKeeper was away is done when it comes back, and the model is served meanwhile.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::life::{Address, Cause, Ending, Report, Stop};
use crate::logs::Tail;
use crate::nodes::{self, Nodes, Seen, Standing};
use crate::report::{Author, Dated, now_ms};

/// The rest of the output of a run that has ended is waited for no longer.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(50);
/// The last words are tried for so long; without them the operator still hears of the container's end from YARN.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(5);
/// Last words that say why nothing ever ran are worth more: ZooKeeper may not even be connected yet.
const FIRST_AND_LAST_WORDS_WITHIN: Duration = Duration::from_secs(30);
/// What was written is looked at so often: only the record is watched.
const VERIFY_EVERY: Duration = Duration::from_secs(2);
/// Between attempts that fail, growing from the one to the other.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_AT_MOST: Duration = Duration::from_secs(5);

/// What the task has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The endpoint is certainly not there, as the latest wish says.
    Withdrawn,
    /// The instance is to end.
    Stop(Stop),
}

#[derive(Debug, Clone, Default)]
struct Wanted {
    endpoint: Option<(u32, Address)>,
    /// Counts the withdrawals, so that an answer to an earlier one is known as such.
    withdrawals: u64,
    report: Option<(u64, Dated, Option<Tail>)>,
    words: Option<(Ending, Option<Tail>)>,
}

/// The handle of the task. Its methods return at once; only [`Registration::last_words`] waits.
#[derive(Debug)]
pub struct Registration {
    wanted: watch::Sender<Wanted>,
    heard: mpsc::Receiver<(u64, Heard)>,
    task: JoinHandle<()>,
    reports: u64,
}

impl Registration {
    /// Starts the task. It connects in the background, for as long as it takes.
    pub fn start(author: Author) -> Self {
        let (wanted, wishes) = watch::channel(Wanted::default());
        let (tell, heard) = mpsc::channel(8);
        let keeper = Keeper { wishes, tell, published: Published::Never, record: None, reported: 0, acknowledged: 0 };
        let task = tokio::spawn(keeper.keep(author));
        Self { wanted, heard, task, reports: 0 }
    }

    /// Wishes that `address` may be called; takes the place of an earlier one.
    pub fn publish(&self, run: u32, address: Address) {
        self.wanted.send_modify(|wanted| wanted.endpoint = Some((run, address)));
    }

    /// Wishes that nothing may be called. [`Heard::Withdrawn`] follows.
    pub fn withdraw(&self) {
        self.wanted.send_modify(|wanted| {
            wanted.endpoint = None;
            wanted.withdrawals += 1;
        });
    }

    /// Wishes that the report says this. `tail` is the stderr of the run that `report.last` is about.
    pub fn report(&mut self, report: Report, tail: Option<Tail>) {
        self.reports += 1;
        let number = self.reports;
        self.wanted.send_modify(|wanted| {
            let dated = Dated::after(wanted.report.as_ref().map(|(_, before, _)| before), report, now_ms());
            wanted.report = Some((number, dated, tail));
        });
    }

    /// The next thing that the task has to tell. Cancel safe.
    pub async fn heard(&mut self) -> Heard {
        loop {
            match self.heard.recv().await {
                // Nothing may be concluded from the answer to a withdrawal before the latest.
                Some((serial, Heard::Withdrawn)) if serial != self.wanted.borrow().withdrawals => {}
                Some((_, heard)) => return heard,
                None => return std::future::pending().await,
            }
        }
    }

    /// Leaves the last words, removes all other nodes and ends the session; gives up when that takes too long.
    pub async fn last_words(&mut self, ending: Ending, tail: Option<Tail>) {
        let within = if tail.is_none() { FIRST_AND_LAST_WORDS_WITHIN } else { LAST_WORDS_WITHIN };
        self.wanted.send_modify(|wanted| {
            wanted.endpoint = None;
            wanted.words = Some((ending, tail));
        });
        if timeout(within, &mut self.task).await.is_err() {
            warn!("the last words could not be left within {within:?}: ZooKeeper does not answer");
        }
    }
}

/// What is known of the own endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Published {
    /// Surely not there.
    Never,
    /// There, for this run.
    Run(u32),
    /// A write's answer was lost.
    Unknown,
}

enum Settled {
    AsWanted,
    WordsLeft,
}

struct Keeper {
    wishes: watch::Receiver<Wanted>,
    tell: mpsc::Sender<(u64, Heard)>,
    published: Published,
    /// What the record said when it was last read; none when it must be read (again).
    record: Option<Standing>,
    reported: u64,
    acknowledged: u64,
}

impl Keeper {
    async fn keep(mut self, author: Author) {
        let Some(mut nodes) = self.connect(&author).await else { return };
        info!("connected to ZooKeeper");
        // Whatever an earlier session of this container has left is removed before anything is written.
        let mut cleaned = false;
        let mut doubted = false;
        let mut pause = RETRY;
        loop {
            let retry = match self.settle(&nodes, &mut cleaned, &mut doubted).await {
                Ok(Settled::WordsLeft) => return,
                Ok(Settled::AsWanted) => {
                    pause = RETRY;
                    None
                }
                Err(error) => {
                    warn!("ZooKeeper: {}", chain(&error));
                    let wait = pause;
                    pause = (pause * 2).min(RETRY_AT_MOST);
                    Some(wait)
                }
            };
            let again = async {
                match retry {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.wishes.changed() => if changed.is_err() { return },
                seen = nodes.changed() => match seen {
                    Seen::Record => self.record = None,
                    Seen::Reconnected => {}
                    Seen::NewSession => {
                        info!("a new ZooKeeper session");
                        cleaned = false;
                        self.published = Published::Unknown;
                        self.record = None;
                        self.reported = 0;
                    }
                },
                () = again => {}
                () = sleep(VERIFY_EVERY) => doubted = true,
            }
        }
    }

    /// None: the handle is gone, or connecting can never succeed.
    async fn connect(&mut self, author: &Author) -> Option<Nodes> {
        let mut pause = RETRY;
        loop {
            self.acknowledge().await;
            let error = match Nodes::open(author).await {
                Ok(nodes) => return Some(nodes),
                Err(error) => error,
            };
            warn!("no ZooKeeper yet, the model is served on: {}", chain(&error));
            if error.is_final() {
                return None;
            }
            let again = sleep(pause);
            tokio::pin!(again);
            loop {
                tokio::select! {
                    () = &mut again => break,
                    changed = self.wishes.changed() => changed.ok()?,
                }
                self.acknowledge().await;
            }
            pause = (pause * 2).min(RETRY_AT_MOST);
        }
    }

    /// Makes what is so what should be so.
    ///
    /// `doubted`: what was written may have been taken away by hands other than the operator's.
    async fn settle(&mut self, nodes: &Nodes, cleaned: &mut bool, doubted: &mut bool) -> Result<Settled, nodes::Error> {
        if !*cleaned {
            nodes.remove_old().await?;
            // What stood there was another session's, and is gone.
            self.published = Published::Never;
            *cleaned = true;
        }
        if *doubted {
            if matches!(self.published, Published::Run(_)) && !nodes.is_published().await? {
                warn!("the endpoint was taken away by somebody; publishing it again");
                self.published = Published::Unknown;
            }
            if self.reported > 0 && !nodes.is_reported().await? {
                self.reported = 0;
            }
            *doubted = false;
        }
        let wanted = self.wishes.borrow_and_update().clone();
        // Taking away comes first and asks for nothing else.
        if wanted.endpoint.as_ref().map(|(run, _)| Published::Run(*run)) != Some(self.published) {
            self.withdraw(nodes).await?;
        }
        self.acknowledge().await;
        if let Some((ending, tail)) = wanted.words {
            let tail = read(tail.as_ref()).await;
            nodes.leave(&ending, &tail).await?;
            return Ok(Settled::WordsLeft);
        }
        self.heed_record(nodes).await?;
        if let (Some((run, address)), Some(Standing::Serving)) = (&wanted.endpoint, &self.record)
            && self.published == Published::Never
        {
            self.publish(nodes, *run, address).await?;
        }
        if let Some((number, dated, tail)) = wanted.report
            && number != self.reported
        {
            let tail = if dated.report.last.is_some() { read(tail.as_ref()).await } else { String::new() };
            nodes.report(&dated, &tail, self.reported == 0).await?;
            self.reported = number;
        }
        Ok(Settled::AsWanted)
    }

    async fn withdraw(&mut self, nodes: &Nodes) -> Result<(), nodes::Error> {
        if self.published == Published::Never {
            return Ok(());
        }
        let certain = matches!(self.published, Published::Run(_));
        self.published = Published::Unknown;
        nodes.withdraw(certain).await?;
        self.published = Published::Never;
        Ok(())
    }

    async fn publish(&mut self, nodes: &Nodes, run: u32, address: &Address) -> Result<(), nodes::Error> {
        self.published = Published::Unknown;
        match nodes.publish(address).await {
            Ok(()) => {
                info!("published {}", address.url);
                self.published = Published::Run(run);
                Ok(())
            }
            Err(nodes::Error::Revoked(_)) => {
                self.published = Published::Never;
                self.record = None;
                self.heed_record(nodes).await
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the record if it may have changed, and passes its order on.
    async fn heed_record(&mut self, nodes: &Nodes) -> Result<(), nodes::Error> {
        if self.record.is_some() {
            return Ok(());
        }
        let standing = nodes.record().await?;
        let stop = match &standing {
            Standing::Serving => None,
            Standing::Stopping { reason, grace } => {
                Some(Stop { cause: Cause::RecordStopping, message: reason.clone(), grace: *grace })
            }
            Standing::Gone => Some(Stop {
                cause: Cause::RecordGone,
                message: "the instance's record is not there: it was removed, or never made".to_owned(),
                grace: None,
            }),
        };
        self.record = Some(standing);
        if let Some(stop) = stop {
            // The receiver going away means that the life has ended anyway.
            let _ = self.tell.send((0, Heard::Stop(stop))).await;
        }
        Ok(())
    }

    async fn acknowledge(&mut self) {
        let wanted = self.wishes.borrow().clone();
        if wanted.endpoint.is_none() && self.published == Published::Never && self.acknowledged < wanted.withdrawals {
            self.acknowledged = wanted.withdrawals;
            let _ = self.tell.send((wanted.withdrawals, Heard::Withdrawn)).await;
        }
    }
}

async fn read(tail: Option<&Tail>) -> String {
    match tail {
        Some(tail) => tail.read(OUTPUT_PATIENCE).await,
        None => String::new(),
    }
}

fn chain(error: &nodes::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
