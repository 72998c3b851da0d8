//! What the view knows and what its user chose.

use std::collections::BTreeMap;

use maas_crd::{Iid, Namespace};
use maas_store::{Change, EventRing, Node, Root};

use super::keys::Request;
use super::log::Log;
use super::model::{Health, Model, Place};
use crate::output::rows::Happened;
use crate::tree::{Instance, Tree};

/// Events on the page of events; more are not looked at at one time.
const EVENTS: usize = 1_000;

/// Everything that a screen is drawn from.
#[derive(Debug)]
pub(crate) struct State {
    /// ZooKeeper's servers.
    pub(crate) quorum: String,
    pub(crate) root: Root,
    /// None is every namespace.
    pub(crate) scope: Option<Namespace>,
    tree: Tree,
    models: BTreeMap<Place, Model>,
    events: BTreeMap<Place, EventRing>,
    /// The first list is whole.
    pub(crate) loaded: bool,
    /// Since when the connection to ZooKeeper is lost.
    pub(crate) stale_since: Option<i64>,
    /// Columns and lines of the terminal.
    pub(crate) size: (u16, u16),
    pub(crate) page: Page,
    /// What stands over the page and takes the keys.
    pub(crate) dialog: Option<Dialog>,
    /// What the lists are narrowed to.
    pub(crate) filter: String,
    /// The keys move within the instances, not within the models.
    pub(crate) in_instances: bool,
    /// The choice by name: it stays with its deployment when others come and go.
    chosen: Option<Place>,
    chosen_instance: Option<Iid>,
    /// First line shown of a page; of a log, how many lines stand below the last one shown.
    pub(crate) scrolled: usize,
    /// What the last action led to, until the next key.
    pub(crate) said: Option<Said>,
}

/// What fills the screen.
#[derive(Debug)]
pub(crate) enum Page {
    /// The models, and of the chosen one its instances and events.
    Models,
    /// All about one model, or about one instance of it.
    Describe(Place, Option<Iid>),
    /// The events of all, the newest first.
    Events,
    /// Every URL that may be called.
    Endpoints,
    /// An instance's output.
    Log(Log),
}

/// What stands over a page.
#[derive(Debug)]
pub(crate) enum Dialog {
    Help,
    /// The filter is being typed; what it was before.
    Filter(String),
    /// Which namespace; none until they are read.
    Namespaces {
        all: Option<Vec<Namespace>>,
        at: usize,
    },
    /// The new number of instances is being typed.
    Scale {
        of: Place,
        now: u32,
        typed: String,
    },
    /// Whether it shall be done.
    Confirm {
        question: String,
        request: Request,
    },
}

/// A word to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) bad: bool,
}

/// What became of an effect.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Words in any case.
    Done(Result<String, String>),
    /// The namespaces there are.
    Namespaces(Result<Vec<Namespace>, String>),
    /// More of the log that is shown.
    Output(Result<Vec<u8>, String>),
}

impl State {
    pub(crate) fn new(quorum: String, root: Root, scope: Option<Namespace>, size: (u16, u16)) -> Self {
        Self {
            tree: Tree::new(root.clone()),
            quorum,
            root,
            scope,
            models: BTreeMap::new(),
            events: BTreeMap::new(),
            loaded: false,
            stale_since: None,
            size,
            page: Page::Models,
            dialog: None,
            filter: String::new(),
            in_instances: false,
            chosen: None,
            chosen_instance: None,
            scrolled: 0,
            said: None,
        }
    }

    /// Looks at another namespace, or at all: nothing is known of it yet.
    pub(crate) fn rescope(&mut self, scope: Option<Namespace>) {
        self.tree = Tree::new(self.root.clone());
        self.models.clear();
        self.events.clear();
        (self.scope, self.loaded, self.stale_since) = (scope, false, None);
        (self.chosen, self.chosen_instance, self.in_instances, self.page) = (None, None, false, Page::Models);
    }

    /// Takes a change of the tree in.
    pub(crate) fn take(&mut self, change: Change, now_ms: i64) {
        match change {
            Change::Put { path, data, stat } => match Node::parse(&self.root, &path) {
                Some(Node::Events { namespace, name }) => {
                    // A ring that cannot be read is none.
                    let ring = EventRing::decode(&path, &data).unwrap_or_default();
                    self.events.insert(Place { namespace, name }, ring);
                }
                Some(_) => {
                    self.tree.put(&path, data, stat);
                    self.derive(&path);
                }
                None => {}
            },
            Change::Gone { path } => {
                if let Some(Node::Events { namespace, name }) = Node::parse(&self.root, &path) {
                    self.events.remove(&Place { namespace, name });
                }
                self.tree.remove(&path);
                self.derive(&path);
            }
            Change::Lost => self.stale_since = self.stale_since.or(Some(now_ms)),
            Change::Listed => (self.loaded, self.stale_since) = (true, None),
            Change::Session { .. } | Change::Listing => {}
        }
    }

    fn derive(&mut self, path: &str) {
        if let Some(Node::Spec { namespace, name } | Node::Status { namespace, name }) = Node::parse(&self.root, path) {
            match self.tree.deployment(&namespace, &name) {
                Some(deployment) => self.models.insert(Place { namespace, name }, Model::of(&deployment)),
                None => self.models.remove(&Place { namespace, name }),
            };
        }
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(crate) fn model(&self, of: &Place) -> Option<&Model> {
        self.models.get(of)
    }

    /// How many models there are, shown or not.
    pub(crate) fn count(&self) -> usize {
        self.models.len()
    }

    /// Whether `words` are what the lists are narrowed to.
    pub(crate) fn passes<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> bool {
        let wanted = self.filter.to_lowercase();
        wanted.is_empty() || words.into_iter().any(|word| word.to_lowercase().contains(&wanted))
    }

    /// The models that are listed: whose name, namespace or trouble has the filter's text in it.
    pub(crate) fn shown(&self) -> Vec<(&Place, &Model)> {
        let passes = |(place, model): &(&Place, &Model)| {
            let trouble = match &model.health {
                Health::Bad(why) | Health::Moving(why) => why.as_str(),
                Health::Good | Health::Unseen => "",
            };
            self.passes([place.name.as_str(), place.namespace.as_str(), trouble])
        };
        self.models.iter().filter(passes).collect()
    }

    /// The chosen model and its line: of the one that was chosen, or of the one that now stands in its place.
    pub(crate) fn chosen(&self) -> Option<(usize, &Place)> {
        let shown = self.shown();
        let last = shown.len().checked_sub(1)?;
        let at = match &self.chosen {
            Some(chosen) => shown.partition_point(|(place, _)| *place < chosen).min(last),
            None => 0,
        };
        Some((at, shown.get(at)?.0))
    }

    /// What the keys act on.
    pub(crate) fn subject(&self) -> Option<Place> {
        match &self.page {
            Page::Models => self.chosen().map(|(_, place)| place.clone()),
            Page::Describe(of, _) => Some(of.clone()),
            Page::Log(log) => Some(log.of.clone()),
            Page::Events | Page::Endpoints => None,
        }
    }

    /// The instances of a model, the oldest first.
    pub(crate) fn instances(&self, of: &Place) -> Vec<Instance> {
        self.tree.instances_of(&of.namespace, &of.name)
    }

    /// The chosen one of them and its line.
    pub(crate) fn chosen_instance(&self, instances: &[Instance]) -> Option<(usize, Iid)> {
        let last = instances.len().checked_sub(1)?;
        let at = match self.chosen_instance {
            Some(chosen) => instances.partition_point(|instance| instance.iid < chosen).min(last),
            None => 0,
        };
        Some((at, instances.get(at)?.iid))
    }

    /// Moves the choice to a line.
    pub(super) fn choose(&mut self, at: impl FnOnce(usize, usize) -> usize) {
        if self.in_instances {
            let Some(of) = self.subject() else { return };
            let instances = self.instances(&of);
            let now = self.chosen_instance(&instances).map_or(0, |(at, _)| at);
            self.chosen_instance = instances.get(at(now, instances.len())).map(|instance| instance.iid);
        } else {
            let now = self.chosen().map_or(0, |(at, _)| at);
            let shown = self.shown();
            let chosen = shown.get(at(now, shown.len())).map(|(place, _)| (*place).clone());
            (self.chosen, self.chosen_instance) = (chosen, None);
        }
    }

    /// The events of one model, or of all that pass the filter, the newest first.
    pub(crate) fn events(&self, of: Option<&Place>) -> Vec<Happened> {
        let mut found: Vec<_> = match of {
            Some(of) => self
                .events
                .get_key_value(of)
                .into_iter()
                .flat_map(|(p, ring)| ring.0.iter().map(move |e| (p, e)))
                .collect(),
            None => self.events.iter().flat_map(|(p, ring)| ring.0.iter().map(move |e| (p, e))).collect(),
        };
        if of.is_none() {
            found.retain(|(place, event)| {
                self.passes([place.name.as_str(), place.namespace.as_str(), &event.reason, &event.message])
            });
        }
        found.sort_by_key(|(_, event)| std::cmp::Reverse(event.last_ms));
        let happened = |(place, event): (&Place, &maas_store::Event)| Happened {
            namespace: place.namespace.clone(),
            name: place.name.clone(),
            event: event.clone(),
        };
        found.into_iter().take(EVENTS).map(happened).collect()
    }

    /// Says something until the next key.
    pub(crate) fn say(&mut self, said: Result<String, String>) {
        let (text, bad) = match said {
            Ok(text) => (text, false),
            Err(text) => (text, true),
        };
        self.said = Some(Said { text, bad });
    }

    /// Takes in what became of an effect.
    pub(crate) fn outcome(&mut self, outcome: Outcome) {
        match (outcome, &mut self.page, &mut self.dialog) {
            (Outcome::Done(said), ..) => self.say(said),
            (Outcome::Output(Ok(bytes)), Page::Log(log), _) => log.push(&bytes),
            (Outcome::Output(Err(why)), Page::Log(log), _) => log.trouble = Some(why),
            (Outcome::Namespaces(Ok(found)), _, Some(Dialog::Namespaces { all, at })) => {
                *at = found.iter().position(|one| Some(one) == self.scope.as_ref()).map_or(0, |at| at + 1);
                *all = Some(found);
            }
            (Outcome::Namespaces(Err(why)), _, dialog) => {
                *dialog = None;
                self.say(Err(why));
            }
            // Of a page or dialog that was left meanwhile.
            (Outcome::Output(_) | Outcome::Namespaces(_), ..) => {}
        }
    }
}
