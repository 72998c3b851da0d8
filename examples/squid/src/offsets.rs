//! Which offset of a partition may be committed while messages end out of order. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// One partition's messages in flight.
#[derive(Debug, Default)]
struct Partition {
    /// Begun and not done.
    in_flight: BTreeSet<i64>,
    /// Behind the last one begun.
    next: i64,
    /// What was last told.
    told: i64,
}

impl Partition {
    /// Below it all is done.
    fn low(&self) -> i64 {
        self.in_flight.first().copied().unwrap_or(self.next)
    }
}

/// Messages in flight of all partitions that this process has.
#[derive(Debug, Default)]
pub struct Offsets(BTreeMap<i32, Partition>);

impl Offsets {
    /// A message begins. False when it is in flight already, as one that was read again after a rebalance: its first
    /// reading will end.
    pub fn begin(&mut self, partition: i32, offset: i64) -> bool {
        let partition = self.0.entry(partition).or_insert_with(|| Partition { told: offset, ..Partition::default() });
        partition.next = partition.next.max(offset + 1);
        // Read again from before what was told: the place goes back with the reader.
        partition.told = partition.told.min(offset);
        partition.in_flight.insert(offset)
    }

    /// A message is done. Of a partition that was taken away, nothing happens.
    pub fn done(&mut self, partition: i32, offset: i64) {
        if let Some(partition) = self.0.get_mut(&partition) {
            partition.in_flight.remove(&offset);
        }
    }

    /// Partitions that went to another reader: what is in flight of them is no more this one's to commit.
    pub fn lost(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.0.remove(partition);
        }
    }

    /// What may be committed beyond what was told before: per partition the first offset that is not done.
    pub fn committable(&mut self) -> Vec<(i32, i64)> {
        let mut found = Vec::new();
        for (number, partition) in &mut self.0 {
            let low = partition.low();
            if low > partition.told {
                partition.told = low;
                found.push((*number, low));
            }
        }
        found
    }

    /// A commit did not arrive: it is told again.
    pub fn not_committed(&mut self) {
        for partition in self.0.values_mut() {
            partition.told = i64::MIN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_has_nothing_open_before_it_is_committed() {
        let mut offsets = Offsets::default();
        for offset in 10..14 {
            assert!(offsets.begin(0, offset));
        }
        assert!(!offsets.begin(0, 11));
        offsets.done(0, 11);
        offsets.done(0, 12);
        assert_eq!(offsets.committable(), []);
        offsets.done(0, 10);
        assert_eq!(offsets.committable(), [(0, 13)]);
        assert_eq!(offsets.committable(), []);
        offsets.not_committed();
        assert_eq!(offsets.committable(), [(0, 13)]);
        offsets.lost(&[0]);
        offsets.done(0, 13);
        assert_eq!(offsets.committable(), []);
    }

    #[test]
    fn offsets_that_the_log_leaves_out_hold_nothing_up() {
        let mut offsets = Offsets::default();
        for offset in [5, 9, 20] {
            offsets.begin(3, offset);
        }
        offsets.done(3, 5);
        assert_eq!(offsets.committable(), [(3, 9)]);
        offsets.done(3, 9);
        offsets.done(3, 20);
        assert_eq!(offsets.committable(), [(3, 21)]);
    }

    proptest! {
        /// Whatever ends when: what is told never passes what is open, never goes back, and ends behind the last.
        #[test]
        fn nothing_open_is_ever_passed(ends in prop::collection::vec(any::<prop::sample::Index>(), 1..60), first in 0..1000i64) {
            let mut offsets = Offsets::default();
            let mut open: Vec<i64> = (first..first + ends.len() as i64).collect();
            for offset in &open {
                offsets.begin(0, *offset);
            }
            let (last, mut told) = (first + ends.len() as i64, first);
            for end in ends {
                let offset = open.remove(end.index(open.len()));
                offsets.done(0, offset);
                for (_, commit) in offsets.committable() {
                    prop_assert!(commit > told);
                    told = commit;
                }
                prop_assert_eq!(told, open.iter().min().copied().unwrap_or(last));
            }
        }
    }
}
