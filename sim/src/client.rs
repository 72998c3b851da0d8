//! Clients: the real [`Directory`], fed by a mirror that lags, is lost and comes back with the same session or another.

use std::collections::{BTreeMap, BTreeSet};

use maas_client::{Directory, Wanted};
use maas_crd::Iid;
use maas_operator::seeded::{Bug, seeded};
use maas_store::twin::Session;
use maas_store::{Change, Endpoint};

use crate::mirror::{Mirror, Reader};
use crate::{Occurrence, World, root};

/// What is not published any more is not named so long after, by a client that has not lost ZooKeeper since: reads take
/// some milliseconds each, and the slowest that is drawn most of a second.
const NAMED_ON: u64 = 10_000;

pub struct Client {
    pub directory: Directory,
    pub(crate) mirror: Mirror,
    pub(crate) session: Session,
    /// It hears nothing.
    pub(crate) lost: bool,
    expired: bool,
    /// The mirror has told that all is seen, and of no loss since.
    whole: bool,
    /// Lists that are being told.
    listing: bool,
    /// When the newest endpoint that it has named of each instance was published.
    newest: BTreeMap<Iid, i64>,
}

impl Client {
    fn urls(&self, model: &str) -> BTreeSet<String> {
        let view = self.directory.view();
        view.targets(Wanted::newest(model)).iter().map(|target| target.endpoint().url.clone()).collect()
    }

    /// As it would be with a bug in it.
    fn ignores(&self, change: &Change) -> bool {
        match change {
            Change::Gone { .. } if self.listing => seeded(Bug::ClientKeepsWhatAListLacks),
            Change::Gone { .. } => seeded(Bug::ClientHearsOfNoEnd),
            Change::Lost => seeded(Bug::ClientNeverStale),
            _ => false,
        }
    }
}

impl World {
    /// A client comes, and follows what is live from now on.
    pub fn open_client(&mut self) -> usize {
        let session = self.tree.open();
        self.clients.push(Client {
            directory: Directory::new(root()),
            mirror: Mirror::default(),
            session,
            lost: false,
            expired: false,
            whole: false,
            listing: false,
            newest: BTreeMap::new(),
        });
        let n = self.clients.len() - 1;
        self.follow(Reader::Client(n));
        self.later(crate::RELIST, Occurrence::ClientLists(n));
        n
    }

    /// A client is cut off from ZooKeeper for so long; its session may not last.
    pub fn lose_client(&mut self, n: usize, how_long: u64) {
        self.note(format!("client {n} is cut off for {how_long} ms"));
        let client = &mut self.clients[n];
        client.lost = true;
        if how_long >= crate::SESSION {
            client.expired = true;
            let session = client.session;
            self.later(crate::SESSION, Occurrence::Expire(session));
        }
        self.void(Reader::Client(n));
        self.tell_of(Reader::Client(n), 1, Change::Lost);
        self.at(self.now + how_long, Occurrence::ClientBack(n));
    }

    pub(crate) fn client_back(&mut self, n: usize) {
        if std::mem::take(&mut self.clients[n].expired) {
            self.clients[n].session = self.tree.open();
        }
        self.clients[n].lost = false;
        self.follow(Reader::Client(n));
    }

    pub(crate) fn client_lists(&mut self, n: usize) {
        if !self.clients[n].lost {
            self.list(Reader::Client(n));
        }
        self.later(crate::RELIST, Occurrence::ClientLists(n));
    }

    pub(crate) fn tell_client(&mut self, n: usize, change: Change) {
        let client = &mut self.clients[n];
        match &change {
            Change::Lost => client.whole = false,
            Change::Listing => client.listing = true,
            Change::Listed => (client.whole, client.listing) = (true, false),
            _ => {}
        }
        let named = match &change {
            Change::Put { path, data, .. } => Endpoint::decode(path, data).ok().map(|endpoint| endpoint.model),
            _ => None,
        };
        if !client.ignores(&change) {
            client.directory.take(change);
        }
        let view = client.directory.view();
        let (stale, whole) = (view.is_stale(), client.whole);
        let mut older = Vec::new();
        for target in named.iter().flat_map(|model| view.targets(Wanted::newest(model))) {
            let newest = client.newest.entry(target.instance()).or_insert(i64::MIN);
            if target.endpoint().since_ms < *newest {
                older.push(target.endpoint().url.clone());
            }
            *newest = (*newest).max(target.endpoint().since_ms);
        }
        assert!(older.is_empty(), "client {n} went back to {older:?}\n{}", self.tail());
        assert_eq!(stale, !whole, "client {n} says whether it is stale\n{}", self.tail());
    }

    /// An endpoint is published no more: clients that hear may name it a while longer.
    pub(crate) fn judge_clients_later(&mut self, model: &str, url: &str) {
        self.watch.unpublished.insert(url.to_owned(), self.now);
        for n in 0..self.clients.len() {
            let (connection, at) = (self.clients[n].mirror.connection(), self.now + NAMED_ON);
            self.at(at, Occurrence::Judge(n, connection, model.to_owned(), url.to_owned()));
        }
    }

    pub(crate) fn judge_client(&mut self, n: usize, connection: u64, model: &str, url: &str) {
        let client = &self.clients[n];
        let heard = client.whole && client.mirror.connection() == connection;
        // Published again since, and gone again just now, it is looked at once more later.
        let last = self.watch.unpublished.get(url).is_some_and(|at| self.now == at + NAMED_ON);
        let named = heard && last && client.urls(model).contains(url) && !self.published(model).contains(url);
        assert!(!named, "client {n} names {url} long after its end\n{}", self.tail());
    }

    fn published(&self, model: &str) -> BTreeSet<String> {
        let all = self.tree.list("/maas/endpoints");
        let all = all.filter_map(|(path, data, _)| Endpoint::decode(path, data).ok());
        all.filter(|endpoint| endpoint.model == model).map(|endpoint| endpoint.url).collect()
    }

    /// Clients name what is published, and nothing else.
    pub(crate) fn judge_clients_at_the_end(&self, models: impl Iterator<Item = String>) {
        for model in models {
            let published = self.published(&model);
            for (n, client) in self.clients.iter().enumerate() {
                assert!(!client.directory.view().is_stale(), "client {n} is stale for good\n{}", self.tail());
                assert_eq!(client.urls(&model), published, "client {n} of {model}\n{}", self.tail());
            }
        }
    }
}
