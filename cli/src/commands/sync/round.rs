//! One round: the source is read, what differs is applied, what is gone is pruned, and all of it is told.

use std::time::Duration;

use maas_crd::{Name, Namespace};
use maas_store::{Store, SyncFault, SyncRecord, SyncStatus, get_spec};
use tokio::time::Instant;

use super::super::apply::decide::{Change, Marks, Refusal};
use super::super::apply::engine::{Applied, Fate, Outcome, Pruned, apply_all, prune};
use super::declared::{Declaration, declare, fault_of};
use super::plan::{Plan, Prune, Rules, Verdicts, plan};
use super::reader::Reader;
use super::record::change;
use super::report::{Round, is_settled, report, retry_after};
use super::view::{Key, View};
use crate::args::DryRun;
use crate::output;

/// Whether there is still a sync to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Not,
    /// Its record is gone.
    Deleted,
}

/// A sync and all that is known for it.
pub(super) struct Syncer {
    pub(super) store: Store,
    pub(super) namespace: Namespace,
    pub(super) name: Name,
    /// The namespace of manifests that name none.
    place: Option<Namespace>,
    pub(super) reader: Reader,
    pub(super) view: View,
    pub(super) declaration: Option<Declaration>,
    verdicts: Verdicts,
    /// The record, its status as this syncer wrote it last.
    pub(super) record: SyncRecord,
    /// The last round.
    pub(super) last: Round,
    /// When something of others was changed back last.
    pub(super) healed_at: Option<Instant>,
    told: Vec<String>,
}

/// What a round did.
#[derive(Default)]
struct Done {
    created: usize,
    configured: usize,
    pruned: usize,
    /// Every object whose spec may be another now.
    touched: Vec<Key>,
}

impl Syncer {
    pub(super) fn new(
        store: Store,
        namespace: Namespace,
        name: Name,
        place: Option<Namespace>,
        reader: Reader,
        record: SyncRecord,
    ) -> Self {
        let view = View::new(store.root().clone());
        Self {
            store,
            namespace,
            name,
            place,
            reader,
            view,
            declaration: None,
            verdicts: Verdicts::new(),
            record,
            last: Round::default(),
            healed_at: None,
            told: Vec::new(),
        }
    }

    /// The set whose members the objects are: the sync's name; of another namespace than the default one, with that.
    fn set(&self) -> String {
        if self.namespace == Namespace::default() {
            self.name.to_string()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }

    /// How long to wait until the source is looked at again.
    pub(super) fn wait(&self) -> Duration {
        let interval = Duration::from_millis(self.record.spec.interval_ms);
        if self.last.is_to_be_tried_again() { retry_after(self.record.status.failures) } else { interval }
    }

    /// Looks at the source, and acts on what it says.
    pub(super) async fn look(&mut self) -> anyhow::Result<Ended> {
        let Some(read) = maas_store::get_sync(&self.store, &self.namespace, &self.name).await? else {
            return Ok(Ended::Deleted);
        };
        self.record = read.record;
        if self.record.spec.suspended {
            return Ok(Ended::Not);
        }
        let handled = self.record.spec.requested_at;
        let known = self.declaration.as_ref().map(|declaration| &declaration.revision);
        match self.reader.read(known).await {
            Err(why) => {
                self.last = Round { unread: Some(why), handled, at_ms: output::now_ms(), ..Round::default() };
                self.tell(true).await
            }
            Ok(news) => {
                if let Some(snapshot) = news {
                    self.declaration = Some(declare(snapshot, self.place.as_ref()));
                    self.verdicts.clear();
                }
                self.last.handled = handled;
                self.last.unread = None;
                self.act(true).await
            }
        }
    }

    /// Makes the tree say what the source said when it was read last; `looked`: just now.
    pub(super) async fn act(&mut self, looked: bool) -> anyhow::Result<Ended> {
        let Some(declaration) = self.declaration.take() else { return Ok(Ended::Not) };
        let acted = self.act_on(&declaration).await;
        self.declaration = Some(declaration);
        let done = acted?;
        for key in done.touched {
            // The mirror will tell too, later: what was done must not look like others' doing until then.
            self.look_at(&key).await?;
        }
        let declaration = self.declaration.as_ref();
        self.last.inventory =
            self.view.inventory(declaration.into_iter().flat_map(|declaration| declaration.objects.keys()));
        self.tell(looked).await
    }

    async fn act_on(&mut self, declaration: &Declaration) -> anyhow::Result<Done> {
        let revision = &declaration.revision;
        let marks = Marks { applyset: Some(self.set()), revision: Some(revision.id.clone()), keeps_others: true };
        let settled = is_settled(&self.record.status, revision);
        let rules = Rules { prune: self.record.spec.prune, heal: self.record.spec.heal, settled };
        let Plan { apply, refused, standing, prune: surplus, inventory } =
            plan(declaration, &self.view, &marks, rules, &mut self.verdicts);
        let mut round = Round {
            revision: Some(revision.clone()),
            unread: self.last.unread.clone(),
            faults: declaration.faults.clone(),
            refused: refused.into_iter().map(|(declared, why)| fault_of(declared, why)).collect(),
            drifted: standing,
            inventory,
            handled: self.last.handled,
            at_ms: output::now_ms(),
            ..Round::default()
        };
        let mut done = Done::default();
        let manifests: Vec<_> = apply.iter().map(|declared| &declared.manifest).collect();
        let applied = match manifests.is_empty() {
            true => Vec::new(),
            false => apply_all(&self.store, &manifests, &marks, DryRun::None, |_| {}).await?,
        };
        for (Applied { namespace, name, outcome }, declared) in applied.into_iter().zip(&apply) {
            let key = (namespace, name);
            match outcome {
                Outcome::Done(Change::Unchanged) => done.touched.push(key),
                Outcome::Done(change) => {
                    output::data(&format!("modeldeployment.maas/{} {change}\n", key.1))?;
                    match change {
                        Change::Created => done.created += 1,
                        _ => done.configured += 1,
                    }
                    if settled {
                        (round.healed, self.healed_at) = (true, Some(Instant::now()));
                        round.drifted.push(key.clone());
                    }
                    done.touched.push(key);
                }
                Outcome::Failed(error) if error.is::<Refusal>() => {
                    round.refused.push(fault_of(declared, format!("{error:#}")));
                    done.touched.push(key);
                }
                Outcome::Failed(error) | Outcome::Lost(error) => {
                    round.failed.push(fault_of(declared, format!("{error:#}")));
                }
                Outcome::Untried => {
                    round.failed.push(fault_of(declared, "not tried, as ZooKeeper was lost".to_owned()))
                }
            }
        }
        match surplus {
            Prune::No => {}
            Prune::Refused(count) => {
                round.unpruned = Some(format!(
                    "{revision} declares nothing, so that all {count} objects would be deleted: nothing was; to be rid of them, use `maasctl delete`"
                ));
            }
            Prune::These(_) if !round.failed.is_empty() => {}
            Prune::These(_) => self.prune(declaration, &mut round, &mut done).await?,
        }
        if done.created + done.configured + done.pruned > 0 {
            let Done { created, configured, pruned, .. } = &done;
            output::note(&format!("{revision}: {created} created, {configured} configured, {pruned} pruned"));
        }
        self.last = round;
        Ok(done)
    }

    async fn prune(&self, declaration: &Declaration, round: &mut Round, done: &mut Done) -> anyhow::Result<()> {
        for Pruned { namespace, name, outcome } in
            prune(&self.store, &self.set(), &declaration.named, DryRun::None, |_| {}).await?
        {
            match outcome {
                Outcome::Done(Fate::Pruned) => {
                    output::data(&format!("modeldeployment.maas/{name} pruned\n"))?;
                    done.pruned += 1;
                }
                Outcome::Done(_) | Outcome::Untried => {}
                Outcome::Failed(error) | Outcome::Lost(error) => {
                    let message = format!("{namespace}/{name} could not be pruned: {error:#}");
                    round.failed.push(SyncFault { file: "-".to_owned(), line: 0, column: 0, message });
                }
            }
            done.touched.push((namespace, name));
        }
        Ok(())
    }

    /// Reads one spec into the view.
    async fn look_at(&mut self, (namespace, name): &Key) -> anyhow::Result<()> {
        let read = get_spec(&self.store, namespace, name).await?;
        self.view.know(namespace, name, read);
        Ok(())
    }

    /// Tells how what was applied is by now, if that is another than before.
    pub(super) async fn tell_health(&mut self) -> anyhow::Result<Ended> {
        let Some(declaration) = &self.declaration else { return Ok(Ended::Not) };
        self.last.inventory = self.view.inventory(declaration.objects.keys());
        self.tell(false).await
    }

    /// Writes the status, if it is another than before, and says what is wrong now and was not before.
    async fn tell(&mut self, looked: bool) -> anyhow::Result<Ended> {
        let status = report(&self.record.status, &self.last, looked, output::now_ms());
        self.say(&status);
        if status == self.record.status {
            return Ok(Ended::Not);
        }
        let write = |record: &mut SyncRecord| record.status.clone_from(&status);
        let Some(record) = change(&self.store, &self.namespace, &self.name, write).await? else {
            return Ok(Ended::Deleted);
        };
        self.record = record;
        Ok(Ended::Not)
    }

    fn say(&mut self, status: &SyncStatus) {
        let round = &self.last;
        let mut now: Vec<String> =
            round.faults.iter().chain(&round.refused).chain(&round.failed).map(ToString::to_string).collect();
        now.extend(round.unread.clone());
        now.extend(round.unpruned.clone());
        for fault in now.iter().filter(|fault| !self.told.contains(fault)) {
            output::note(&format!("error: {fault}"));
        }
        if !self.told.is_empty() && now.is_empty() {
            let revision = status.last_applied_revision.as_deref().unwrap_or_default();
            output::note(&format!("{revision}: all is well again"));
        }
        self.told = now;
    }
}
