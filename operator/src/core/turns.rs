//! The queue of deployments: whose plan is due, at once or at a time. Indexed, since every event asks for it: with
//! thousands of deployments it must not look at each.

use std::collections::{BTreeMap, BTreeSet};

use maas_crd::Iid;

use crate::allot::Shape;
use crate::key::Key;
use crate::plan::observed::Memory;

/// One deployment's turn: never two runs at once.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) memory: Memory,
    /// A plan of it is on its way to the tree.
    pub(super) in_flight: bool,
    /// Something of it changed since it was planned.
    pub(super) dirty: bool,
    /// When it is to be planned although nothing changes.
    pub(super) wake: Option<u64>,
    /// Commits in a row that were not accepted.
    pub(super) refused: u32,
    /// The instances that need a container.
    pub(super) want: Vec<(Iid, Shape)>,
}

/// Every deployment's turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    all: BTreeMap<Key, Turn>,
    dirty: BTreeSet<Key>,
    wakes: BTreeSet<(u64, Key)>,
    wanting: BTreeSet<Key>,
}

impl Turns {
    /// Takes one out of the queue.
    pub(super) fn take(&mut self, key: &Key) -> Option<Turn> {
        let (key, turn) = self.all.remove_entry(key)?;
        self.dirty.remove(&key);
        self.wanting.remove(&key);
        if let Some(at) = turn.wake {
            self.wakes.remove(&(at, key));
        }
        Some(turn)
    }

    /// Puts one in, in the place of what was there.
    pub(super) fn put(&mut self, key: Key, turn: Turn) {
        self.take(&key);
        if !turn.want.is_empty() {
            self.wanting.insert(key.clone());
        }
        // One that is on its way waits for the answer, whatever else happens.
        if !turn.in_flight {
            if turn.dirty {
                self.dirty.insert(key.clone());
            }
            if let Some(at) = turn.wake {
                self.wakes.insert((at, key.clone()));
            }
        }
        self.all.insert(key, turn);
    }

    /// Changes one, which is made if it is not there.
    pub(super) fn change<T>(&mut self, key: &Key, change: impl FnOnce(&mut Turn) -> T) -> T {
        let mut turn = self.take(key).unwrap_or_default();
        let result = change(&mut turn);
        self.put(key.clone(), turn);
        result
    }

    /// Changes one that is there.
    pub(super) fn change_known<T>(&mut self, key: &Key, change: impl FnOnce(&mut Turn) -> T) -> Option<T> {
        self.all.contains_key(key).then(|| self.change(key, change))
    }

    /// Something of it changed.
    pub(super) fn dirty(&mut self, key: &Key) {
        self.change(key, |turn| turn.dirty = true);
    }

    /// Something changed for all.
    pub(super) fn all_dirty(&mut self) {
        for key in self.all.keys().cloned().collect::<Vec<_>>() {
            self.dirty(&key);
        }
    }

    /// What is remembered of each.
    pub(super) fn memories(&mut self) -> impl Iterator<Item = &mut Memory> {
        self.all.values_mut().map(|turn| &mut turn.memory)
    }

    /// Those to be planned now.
    pub(super) fn due(&self, now: u64) -> BTreeSet<Key> {
        let late = self.wakes.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| key);
        self.dirty.iter().chain(late).cloned().collect()
    }

    /// When the next is to be planned although nothing changes.
    pub(super) fn wake(&self) -> Option<u64> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Those with instances that need a container, and these.
    pub(super) fn wanting(&self) -> impl Iterator<Item = (&Key, &[(Iid, Shape)])> {
        self.wanting.iter().filter_map(|key| Some((key, self.all.get(key)?.want.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(number: u8) -> Key {
        Key { namespace: maas_crd::Namespace::default(), name: format!("m{number}").parse().unwrap() }
    }

    proptest! {
        #[test]
        fn the_indexes_say_what_a_look_at_each_would(
            changes in prop::collection::vec((0u8..5, any::<bool>(), any::<bool>(), prop::option::of(0u64..20), 0usize..2, any::<bool>()), 0..40),
            now in 0u64..20,
        ) {
            let mut turns = Turns::default();
            for (number, in_flight, dirty, wake, want, gone) in changes {
                if gone {
                    turns.take(&key(number));
                    continue;
                }
                turns.change(&key(number), |turn| {
                    turn.want = vec![(Iid::new(1, 1), Shape { memory_mb: 1, vcores: 1 }); want];
                    (turn.in_flight, turn.dirty, turn.wake) = (in_flight, dirty, wake);
                });
            }
            let is_due = |turn: &Turn| !turn.in_flight && (turn.dirty || turn.wake.is_some_and(|at| now >= at));
            let due: BTreeSet<Key> = turns.all.iter().filter(|(_, t)| is_due(t)).map(|(key, _)| key.clone()).collect();
            prop_assert_eq!(turns.due(now), due);
            let waiting = turns.all.values().filter(|t| !t.in_flight);
            prop_assert_eq!(turns.wake(), waiting.filter_map(|t| t.wake).min());
            let wanting: Vec<Key> =
                turns.all.iter().filter(|(_, t)| !t.want.is_empty()).map(|(key, _)| key.clone()).collect();
            prop_assert_eq!(turns.wanting().map(|(key, _)| key.clone()).collect::<Vec<_>>(), wanting);
        }
    }
}
