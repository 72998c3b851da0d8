//! The tree as users write it and operators see it.

use maas_store::{Change, Op};

use crate::mirror::Reader;
use crate::{Occurrence, World, runner};

impl World {
    /// A user's write; it must be accepted.
    pub fn write(&mut self, ops: &[Op]) {
        let now = i64::try_from(self.now).unwrap();
        let (_, changed) = self.tree.commit(self.user, ops, now).expect("the user's write");
        self.changed(&changed);
    }

    pub fn spec_path(name: &str) -> String {
        format!("/maas/specs/ModelDeployment/default/{name}")
    }

    pub fn put_spec(&mut self, name: &str, text: &str) {
        self.note(format!("user writes {name}"));
        self.watch.wanted(name, text);
        let (path, data) = (Self::spec_path(name), text.as_bytes().to_vec());
        let op = if self.tree.get(&path).is_some() {
            Op::Set { path, data, version: None }
        } else {
            Op::Create { path, data, ephemeral: false }
        };
        self.write(&[op]);
    }

    pub fn delete_spec(&mut self, name: &str) {
        self.note(format!("user deletes {name}"));
        self.write(&[Op::Delete { path: Self::spec_path(name), version: None }]);
    }

    /// Tells everyone who watches.
    pub fn changed(&mut self, paths: &[String]) {
        if paths.iter().any(|path| path.starts_with(crate::QUEUE)) {
            (0..self.slots.len()).for_each(|n| self.queue_moved(n));
        }
        for path in paths {
            self.notice(path);
            let concerned = self.runners.iter().find(|(_, r)| r.record_path() == path).map(|(id, _)| *id);
            if let Some(id) = concerned {
                self.later(2, Occurrence::Runner(id, runner::Step::Look));
            }
            self.judge_status(path);
        }
        if paths.iter().any(|p| p.starts_with("/maas/instances/") || p.starts_with("/maas/endpoints/")) {
            self.judge_tree();
        }
    }

    /// The mirror of an operator is lost for some time; it writes on.
    pub fn lose_mirror(&mut self, n: usize, how_long: u64) {
        self.slots[n].lost = true;
        self.void(Reader::Operator(n));
        self.tell_of(Reader::Operator(n), 1, Change::Lost);
        self.later(how_long, Occurrence::Relist(n));
    }

    /// An operator is cut off from ZooKeeper.
    pub fn lose_zookeeper(&mut self, n: usize, how_long: u64) {
        self.note(format!("operator {n} loses ZooKeeper for {how_long} ms"));
        self.slots[n].cut = true;
        if how_long >= crate::SESSION {
            let session = self.slots[n].session;
            self.later(crate::SESSION, Occurrence::Expire(session));
            self.slots[n].expired = true;
        }
        self.lose_mirror(n, how_long);
    }

    /// The session of an operator expires; the next one comes soon.
    pub fn expire_operator(&mut self, n: usize) {
        self.note(format!("the session of operator {n} expires"));
        self.slots[n].expired = true;
        let gone = self.tree.expire(self.slots[n].session);
        self.changed(&gone);
        self.lose_mirror(n, 300);
    }

    pub(crate) fn relist(&mut self, n: usize) {
        if self.slots[n].expired {
            self.slots[n].session = self.tree.open();
        }
        let slot = &mut self.slots[n];
        (slot.lost, slot.cut, slot.expired) = (false, false, false);
        if slot.alive && slot.following {
            self.queue_moved(n);
            self.follow(Reader::Operator(n));
        }
    }

    pub fn count(&self, folder: &str, name: &str) -> usize {
        self.tree.children(&format!("/maas/{folder}/default/{name}")).len()
    }

    pub fn endpoints(&self, name: &str) -> usize {
        self.count("endpoints", name)
    }

    pub fn status(&self, name: &str) -> Option<maas_crd::Status> {
        let (data, _) = self.tree.get(&format!("/maas/status/ModelDeployment/default/{name}"))?;
        maas_store::decode_status("", data).ok()
    }

    pub fn condition(&self, name: &str, type_: &str) -> Option<(String, String)> {
        let status = self.status(name)?;
        status.condition(type_).map(|c| (format!("{:?}", c.status), c.reason.clone()))
    }

    pub fn show(&self) -> String {
        let all = self.tree.list("/maas");
        let line = |(p, d, s): (&str, &[u8], maas_store::Stat)| {
            let text = String::from_utf8_lossy(d);
            format!("{p} v{} {}\n", s.version, text.chars().take(400).collect::<String>())
        };
        all.map(line).collect()
    }
}
