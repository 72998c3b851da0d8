//! What is live, from a mirror's changes. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use maas_store::{Change, Endpoint, Node, Root};

use crate::choose::{Target, View};

/// The endpoints that are published, as far as is known.
#[derive(Debug)]
pub struct Directory {
    root: Root,
    /// By path, with the transaction that wrote each.
    targets: BTreeMap<String, (i64, Arc<Target>)>,
    whole: bool,
    connected: bool,
}

impl Directory {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self { root, targets: BTreeMap::new(), whole: false, connected: false }
    }

    /// Takes a change in. Whether a [`Directory::view`] taken now differs from one taken before.
    ///
    /// An older state of an endpoint than the known one is dropped; one that cannot be read is as none.
    pub fn take(&mut self, change: Change) -> bool {
        match change {
            Change::Put { path, data, stat } => {
                let Some(Node::Endpoint { namespace, iid, .. }) = Node::parse(&self.root, &path) else { return false };
                if self.targets.get(&path).is_some_and(|(known, _)| *known >= stat.mzxid) {
                    return false;
                }
                match Endpoint::decode(&path, &data).ok().and_then(|endpoint| Target::new(namespace, iid, endpoint)) {
                    Some(target) => {
                        self.targets.insert(path, (stat.mzxid, Arc::new(target)));
                        true
                    }
                    None => self.targets.remove(&path).is_some(),
                }
            }
            Change::Gone { path } => self.targets.remove(&path).is_some(),
            // What was known is the best there is.
            Change::Lost => std::mem::replace(&mut self.connected, false),
            Change::Listed => {
                self.whole = true;
                !std::mem::replace(&mut self.connected, true)
            }
            Change::Session { .. } | Change::Listing => false,
        }
    }

    /// Whether everything was listed at least once.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// What is live now, to choose from.
    #[must_use]
    pub fn view(&self) -> View {
        View::of(self.targets.values().map(|(_, target)| target), !self.connected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choose::{Choice, Wanted};
    use maas_store::Stat;

    fn put(iid: &str, version: &str, mzxid: i64) -> Change {
        let endpoint = Endpoint {
            url: format!("http://{iid}:1"),
            functions: BTreeMap::from([("apply".to_owned(), "apply".to_owned())]),
            model: "dga".to_owned(),
            version: version.to_owned(),
            revision: 1,
            container: "c".to_owned(),
            since_ms: 0,
        };
        let stat = Stat { czxid: 1, mzxid, version: 0, ephemeral_owner: 7, ctime_ms: 0, mtime_ms: 0, num_children: 0 };
        Change::Put { path: path(iid), data: endpoint.encode(), stat }
    }

    fn path(iid: &str) -> String {
        format!("/maas/endpoints/default/dga-{}/{iid}", &iid[..1])
    }

    fn chosen(directory: &Directory) -> Option<String> {
        let view = directory.view();
        view.choose(Wanted::newest("dga"), Choice::Random, 0, &[]).map(|target| target.endpoint().url.clone())
    }

    #[test]
    fn the_newest_version_with_a_live_endpoint_is_chosen_and_what_was_known_stays_when_the_view_is_lost() {
        let mut directory = Directory::new(Root::default());
        assert!(directory.take(put("1-1", "9.0", 5)) && !directory.is_whole());
        assert!(directory.take(Change::Listed) && directory.is_whole() && !directory.view().is_stale());
        assert!(directory.take(put("2-1", "10.0", 6)));
        assert_eq!(chosen(&directory).as_deref(), Some("http://2-1:1"));
        assert!(directory.take(Change::Lost) && directory.view().is_stale());
        assert_eq!(chosen(&directory).as_deref(), Some("http://2-1:1"));
        assert!(directory.take(Change::Gone { path: path("2-1") }));
        assert_eq!(chosen(&directory).as_deref(), Some("http://1-1:1"));
        assert!(directory.take(Change::Gone { path: path("1-1") }));
        assert_eq!(chosen(&directory), None);
    }

    #[test]
    fn an_older_state_and_one_that_cannot_be_read_are_no_endpoints() {
        let mut directory = Directory::new(Root::default());
        assert!(directory.take(put("1-1", "2.0", 9)));
        assert!(!directory.take(put("1-1", "1.0", 8)), "it went backwards");
        let Change::Put { path, stat, .. } = put("1-1", "2.0", 10) else { panic!() };
        assert!(directory.take(Change::Put { path, data: b"{".to_vec(), stat }));
        assert_eq!(chosen(&directory), None);
        let elsewhere = Change::Put { path: "/maas/specs/x".to_owned(), data: Vec::new(), stat };
        assert!(!directory.take(elsewhere));
    }
}
