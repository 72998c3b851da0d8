use super::*;
use proptest::prelude::*;

fn shape(memory_mb: u64) -> Shape {
    Shape { memory_mb, vcores: 1 }
}

fn room(headroom: u64) -> Room {
    Room { headroom: shape(headroom), maximum: Shape { memory_mb: 4096, vcores: 8 } }
}

fn want(sizes: &[u64]) -> BTreeMap<Iid, (Key, Shape)> {
    let key = |n: usize| Key { namespace: "default".parse().unwrap(), name: format!("m{n}").parse().unwrap() };
    let iid = |n: usize| Iid::new(1, u32::try_from(n).unwrap() + 1);
    sizes.iter().enumerate().map(|(n, size)| (iid(n), (key(n), shape(*size)))).collect()
}

/// The standing asks by id, as the ledger would hold them.
fn apply(standing: &mut BTreeMap<Iid, i32>, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Ask(iid, priority, _) => drop(standing.insert(*iid, *priority)),
            Change::Cancel(iid) => drop(standing.remove(iid)),
        }
    }
}

#[test]
fn a_small_ask_soon_stands_alone_before_larger_ones() {
    let (mut allotment, mut standing) = (Allotment::default(), BTreeMap::new());
    let both = want(&[640, 256]);
    let large: BTreeMap<_, _> = both.iter().take(1).map(|(i, w)| (*i, w.clone())).collect();
    apply(&mut standing, &allotment.allot(&large, room(768), 0));
    apply(&mut standing, &allotment.allot(&both, room(128), 1_000));
    assert_eq!(standing.keys().copied().collect::<Vec<_>>(), [Iid::new(1, 2)], "the larger one had its time");
    // Served: the larger one has its turn again, behind all that may come.
    apply(&mut standing, &allotment.allot(&large, room(512), 1_100));
    assert_eq!(standing.get(&Iid::new(1, 1)), Some(&TURN_PRIORITY));
    apply(&mut standing, &allotment.allot(&both, room(128), 1_200));
    assert_eq!(standing.keys().copied().collect::<Vec<_>>(), [Iid::new(1, 2)], "a turn ends for a fresh ask");
}

#[test]
fn parked_asks_take_turns_and_new_room_asks_afresh() {
    let (mut allotment, mut standing) = (Allotment::default(), BTreeMap::new());
    let all = want(&[1024, 1024, 1024]);
    let mut shown = std::collections::BTreeSet::new();
    for now in (0..20_000).step_by(500) {
        apply(&mut standing, &allotment.allot(&all, room(100), now));
        if now > PATIENCE {
            assert!(standing.len() <= 1, "{standing:?}");
            shown.extend(standing.keys().copied());
        }
    }
    assert_eq!(shown.len(), 3, "each had its turn");
    apply(&mut standing, &allotment.allot(&all, room(3000), 20_000));
    apply(&mut standing, &allotment.allot(&all, room(3000), 20_010));
    assert!(standing.values().filter(|p| **p < TURN_PRIORITY).count() >= 2, "{standing:?}");
}

/// The ResourceManager's rule: asks in order of priority and id, and the first that does not fit stops all others.
/// Returns what was served.
fn serve(standing: &BTreeMap<Iid, i32>, want: &BTreeMap<Iid, (Key, Shape)>, free: &mut u64) -> Vec<Iid> {
    let mut order: Vec<(i32, Iid)> = standing.iter().map(|(iid, priority)| (*priority, *iid)).collect();
    order.sort_unstable();
    let fits = |(_, iid): &(i32, Iid)| {
        let left = free.checked_sub(want[iid].1.memory_mb);
        *free = left.unwrap_or(*free);
        left.is_some()
    };
    order.into_iter().take_while(fits).map(|(_, iid)| iid).collect()
}

/// Lets asks stand, serves them and wakes when it is told to, for so long. Returns when each was served, and the
/// asks that ever stood.
fn play(sizes: &[u64], free: u64, how_long: u64) -> (BTreeMap<Iid, u64>, BTreeMap<Iid, usize>) {
    let (mut allotment, mut standing, mut want) = (Allotment::default(), BTreeMap::new(), want(sizes));
    let (mut free, mut now) = (free, 0);
    let (mut served, mut shown) = (BTreeMap::new(), BTreeMap::new());
    while now < how_long {
        let changes = allotment.allot(&want, room(free), now);
        for change in &changes {
            if let Change::Ask(iid, ..) = change {
                *shown.entry(*iid).or_default() += 1;
            }
        }
        apply(&mut standing, &changes);
        let fresh = standing.values().any(|p| *p < TURN_PRIORITY);
        assert!(!fresh || standing.values().all(|p| *p < TURN_PRIORITY), "a turn beside fresh asks: {standing:?}");
        let granted = serve(&standing, &want, &mut free);
        for iid in &granted {
            standing.remove(iid);
            want.remove(iid);
            served.insert(*iid, now);
        }
        now = match allotment.wake() {
            _ if !granted.is_empty() => now + 10,
            Some(at) => at.max(now + 1),
            None => break,
        };
    }
    (served, shown)
}

proptest! {
    #[test]
    fn what_fits_is_served_soon_whatever_stands_beside_it(
        sizes in prop::collection::vec(1u64..4000, 1..8),
        free in 0u64..5000,
    ) {
        let (served, _) = play(&sizes, free, 30_000);
        let taken: u64 = want(&sizes).iter().filter(|(iid, _)| served.contains_key(iid)).map(|(_, w)| w.1.memory_mb).sum();
        for (iid, (_, shape)) in want(&sizes) {
            prop_assert!(served.contains_key(&iid) || shape.memory_mb > free - taken, "{} of {} free", shape.memory_mb, free - taken);
        }
        let smallest = want(&sizes).into_iter().filter(|(_, (_, s))| s.memory_mb <= free).min_by_key(|(_, (_, s))| *s);
        // Of those within 64 MiB, which share a priority, the older comes first.
        let alone = |(_, (_, s)): &(Iid, (Key, Shape))| {
            sizes.iter().filter(|size| **size / 64 <= s.memory_mb / 64).count() == 1
        };
        if let Some((iid, _)) = smallest.filter(alone) {
            prop_assert!(served[&iid] <= 2_000, "the smallest was served after {} ms", served[&iid]);
        }
    }

    #[test]
    fn every_parked_ask_has_its_turn_again_and_again(sizes in prop::collection::vec(101u64..4000, 2..7)) {
        let round = (sizes.len() as u64 + 1) * PATIENCE;
        let (served, shown) = play(&sizes, 100, 4 * round);
        prop_assert!(served.is_empty());
        for iid in want(&sizes).keys() {
            prop_assert!(shown.get(iid).is_some_and(|times| *times >= 3), "{shown:?}");
        }
    }

    #[test]
    fn larger_asks_stand_behind_smaller_ones_and_nothing_impossible_is_asked(
        sizes in prop::collection::vec(1u64..6000, 1..8),
        headrooms in prop::collection::vec(0u64..8000, 1..40),
    ) {
        let (mut allotment, mut standing) = (Allotment::default(), BTreeMap::new());
        let want = want(&sizes);
        for (n, headroom) in headrooms.iter().enumerate() {
            apply(&mut standing, &allotment.allot(&want, room(*headroom), n as u64 * 250));
            for (iid, priority) in &standing {
                prop_assert!(want[iid].1.memory_mb <= 4096);
                for (other, behind) in &standing {
                    if want[iid].1.memory_mb + 64 < want[other].1.memory_mb { prop_assert!(priority < behind); }
                }
            }
        }
    }
}
