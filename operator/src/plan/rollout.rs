//! How many instances of which revision: numbers only.

use maas_crd::Iid;

use crate::seeded::{Bug, seeded};

/// How far above `replicas` a rollout may go. (`spec.strategy` is not built yet: RollingUpdate, 1 and 0.)
pub(crate) const MAX_SURGE: usize = 1;

/// A live instance: its record is at version 0 and its container has not ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    pub(crate) iid: Iid,
    /// Of the update revision?
    pub(crate) updated: bool,
    pub(crate) ready: bool,
    /// Has a container?
    pub(crate) placed: bool,
}

/// What to do about the number of instances.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// How many of the update revision to create.
    pub(crate) create: usize,
    /// Which to stop.
    pub(crate) stop: Vec<Iid>,
}

/// New ready first: the total stays within `replicas` + [`MAX_SURGE`], and a ready instance of an older
/// revision is stopped only while at least `replicas` others are ready.
pub(crate) fn decide(replicas: usize, live: &[Live]) -> Decision {
    let mut old: Vec<Live> = live.iter().copied().filter(|l| !l.updated).collect();
    let mut new: Vec<Live> = live.iter().copied().filter(|l| l.updated).collect();
    let mut stop = Vec::new();

    let surplus = new.len().saturating_sub(replicas);
    new.sort_by_key(|l| (l.placed, l.ready, std::cmp::Reverse(l.iid)));
    stop.extend(new.iter().take(surplus).map(|l| l.iid));
    let ready_new = new.iter().skip(surplus).filter(|l| l.ready).count();

    // An old instance that is not ready serves nobody; ready ones go, oldest first, as they can be spared.
    old.sort_by_key(|l| (l.ready, l.iid));
    let ready_old = old.iter().filter(|l| l.ready).count();
    let spare = (ready_new + ready_old).saturating_sub(replicas);
    let spare = if seeded(Bug::OldStoppedFirst) { old.len() } else { spare };
    let go = old.len() - ready_old + spare.min(ready_old);
    stop.extend(old.iter().take(go).map(|l| l.iid));

    let limit = if old.is_empty() { replicas } else { replicas + if replicas > 0 { MAX_SURGE } else { 0 } };
    let limit = if seeded(Bug::SurgeUnbounded) { 2 * replicas } else { limit };
    let staying = live.len() - stop.len();
    let create = replicas.saturating_sub(new.len()).min(limit.saturating_sub(staying));
    Decision { create, stop }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn live(n: u32, updated: bool, ready: bool) -> Live {
        Live { iid: Iid::new(1, n), updated, ready, placed: ready }
    }

    #[test]
    fn nothing_live_creates_all_at_once() {
        assert_eq!(decide(20, &[]), Decision { create: 20, stop: vec![] });
    }

    #[test]
    fn a_new_template_adds_one_before_it_takes_one() {
        let old = [live(1, false, true), live(2, false, true)];
        assert_eq!(decide(2, &old), Decision { create: 1, stop: vec![] });
        let surged = [old[0], old[1], live(3, true, false)];
        assert_eq!(decide(2, &surged), Decision { create: 0, stop: vec![] });
        let ready = [old[0], old[1], live(3, true, true)];
        assert_eq!(decide(2, &ready), Decision { create: 1, stop: vec![Iid::new(1, 1)] });
    }

    #[test]
    fn scaling_down_stops_what_serves_nobody_first() {
        let now = [live(1, true, true), live(2, true, false), live(3, true, true)];
        assert_eq!(decide(2, &now).stop, vec![Iid::new(1, 2)]);
        assert_eq!(decide(1, &now).stop, vec![Iid::new(1, 2), Iid::new(1, 3)]);
        assert_eq!(decide(0, &now).stop.len(), 3);
    }

    proptest! {
        #[test]
        fn a_rollout_keeps_its_bounds(replicas in 0usize..8, kinds in prop::collection::vec((any::<bool>(), any::<bool>()), 0..12)) {
            let all: Vec<Live> = kinds.iter().zip(1u32..).map(|(&(u, r), n)| live(n, u, r)).collect();
            let decision = decide(replicas, &all);
            let ready = all.iter().filter(|l| l.ready).count();
            let left: Vec<&Live> = all.iter().filter(|l| !decision.stop.contains(&l.iid)).collect();
            let ready_left = left.iter().filter(|l| l.ready).count();
            prop_assert!(ready_left >= replicas.min(ready), "never fewer ready than wanted, if there were enough");
            prop_assert!(decision.create == 0 || left.len() + decision.create <= replicas + MAX_SURGE);
        }

        #[test]
        fn it_ends_with_the_wanted_number_of_the_new_revision(replicas in 0usize..8, kinds in prop::collection::vec((any::<bool>(), any::<bool>()), 0..12)) {
            let mut all: Vec<Live> = kinds.iter().zip(1u32..).map(|(&(u, r), n)| live(n, u, r)).collect();
            let mut next = 100;
            for _ in 0..64 {
                let decision = decide(replicas, &all);
                all.retain(|l| !decision.stop.contains(&l.iid));
                for l in &mut all { l.ready = true; l.placed = true; }
                for _ in 0..decision.create { next += 1; all.push(live(next, true, false)); }
            }
            prop_assert_eq!(all.len(), replicas);
            prop_assert!(all.iter().all(|l| l.updated && l.ready));
        }
    }
}
