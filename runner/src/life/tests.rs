use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const STARTUP: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(30);

fn seconds(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn address() -> Address {
    Address { url: "http://n:1".to_owned(), functions: BTreeMap::new() }
}

fn answered(run: u32) -> Event {
    Event::Answered { run, address: address() }
}

fn unanswered(run: u32) -> Event {
    Event::Unanswered { run, reason: "NotReady", message: "GET / answered 503".to_owned() }
}

fn exited(code: i32) -> Event {
    Event::ScriptExited { exit: Exit::Code(code), survivors: false }
}

fn left_behind(code: i32) -> Event {
    Event::ScriptExited { exit: Exit::Code(code), survivors: true }
}

fn stop(cause: Cause) -> Event {
    Event::StopOrdered(Stop { cause, message: "scaled down".to_owned(), grace: Some(GRACE) })
}

fn ending(reason: &'static str) -> Ending {
    Ending { reason, message: "why".to_owned(), exit: None }
}

/// What was done, in one word each.
fn names(effects: &[Effect]) -> Vec<&'static str> {
    let name = |effect: &Effect| match effect {
        Effect::Start { .. } => "start",
        Effect::Publish { .. } => "publish",
        Effect::Withdraw => "withdraw",
        Effect::Terminate => "terminate",
        Effect::Kill => "kill",
        Effect::Report(_) => "report",
        Effect::Leave { .. } => "leave",
    };
    effects.iter().map(name).collect()
}

/// A life and the moment it has reached.
struct Story {
    life: Life,
    now: Moment,
}

impl Story {
    fn begun() -> Self {
        let mut story = Self { life: Life::new(Times { startup: STARTUP, grace: GRACE }), now: Moment::ZERO };
        story.then(Event::Tick, &["start", "report"]);
        assert_eq!(story.phase(), Phase::Starting);
        story
    }

    fn ready() -> Self {
        let mut story = Self::begun();
        story.then(answered(1), &["publish", "report"]);
        assert_eq!(story.phase(), Phase::Ready);
        story
    }

    #[track_caller]
    fn then(&mut self, event: Event, expected: &[&str]) -> Vec<Effect> {
        let effects = self.life.step(self.now, event.clone());
        assert_eq!(names(&effects), expected, "after {event:?} in {:?}", self.life);
        effects
    }

    #[track_caller]
    fn at(&mut self, now: Moment) -> &mut Self {
        assert!(now >= self.now, "time goes on");
        self.now = now;
        self
    }

    /// To the moment that the life waits for.
    #[track_caller]
    fn woken(&mut self, expected: &[&str]) -> Vec<Effect> {
        let wake = self.life.wake().expect("the life waits for something");
        self.now = self.now.max(wake);
        self.then(Event::Tick, expected)
    }

    fn phase(&self) -> Phase {
        self.life.report().phase
    }
}

#[test]
fn the_model_starts_at_once_and_is_published_when_it_answers() {
    let mut story = Story::ready();
    assert_eq!(story.life.wake(), None, "a ready model waits for nothing");
    story.then(answered(1), &[]);
    assert_eq!(story.life.report().restarts, 0);
}

#[test]
fn what_is_missing_is_reported_once_each_time_it_changes() {
    let mut story = Story::begun();
    story.then(unanswered(1), &["report"]);
    story.then(unanswered(1), &[]);
    let other = Event::Unanswered { run: 1, reason: "PortNotListening", message: "x".to_owned() };
    story.then(other, &["report"]);
    assert_eq!(story.life.report().missing, Some(("PortNotListening", "x".to_owned())));
    story.then(answered(1), &["publish", "report"]);
    assert_eq!(story.life.report().missing, None);
}

#[test]
fn a_crash_withdraws_first_and_starts_again_at_once() {
    let mut story = Story::ready();
    story.then(exited(1), &["withdraw", "report"]);
    assert_eq!(story.life.report().last.unwrap().exit, Some(Exit::Code(1)));
    assert_eq!(story.life.wake(), Some(Moment::ZERO));
    story.woken(&["start", "report"]);
    assert_eq!(story.life.report().restarts, 1);
}

#[test]
fn crashes_in_a_row_back_off_up_to_five_minutes() {
    let mut story = Story::begun();
    let mut waited = Vec::new();
    for _ in 0..13 {
        let crashed_at = story.now;
        story.then(exited(1), &["withdraw", "report"]);
        waited.push((story.life.wake().unwrap() - crashed_at).as_secs());
        story.woken(&["start", "report"]);
    }
    assert_eq!(waited, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
}

#[test]
fn ten_minutes_of_health_forgive_the_crashes_before() {
    let mut story = Story::begun();
    for run in 1..=5 {
        story.then(exited(1), &["withdraw", "report"]);
        story.woken(&["start", "report"]);
        assert_eq!(story.life.report().restarts, run);
    }
    story.then(answered(6), &["publish", "report"]);
    let ready_at = story.now;
    story.at(ready_at + seconds(599)).then(exited(1), &["withdraw", "report"]);
    assert_eq!(story.life.wake(), Some(story.now + seconds(16)));
    story.woken(&["start", "report"]);
    story.then(answered(7), &["publish", "report"]);
    let ready_at = story.now;
    story.at(ready_at + seconds(600)).then(exited(1), &["withdraw", "report"]);
    assert_eq!(story.life.wake(), Some(story.now), "at once, as after a first crash");
    assert_eq!(story.life.report().restarts, 6, "the count is of all restarts");
}

#[test]
fn health_counts_also_when_the_port_goes_before_the_process() {
    for event in [Event::PortLost { run: 3 }, unanswered(3)] {
        let mut story = Story::begun();
        for _ in 0..2 {
            story.then(exited(1), &["withdraw", "report"]);
            story.woken(&["start", "report"]);
        }
        story.then(answered(3), &["publish", "report"]);
        let ready_at = story.now;
        story.at(ready_at + seconds(700));
        while story.phase() == Phase::Ready {
            story.life.step(story.now, event.clone());
        }
        story.then(exited(1), &["withdraw", "report"]);
        assert_eq!(story.life.wake(), Some(story.now), "at once, as after a first crash");
    }
}

#[test]
fn a_model_that_never_becomes_ready_is_ended_and_counted_as_crashed() {
    let mut story = Story::begun();
    story.then(unanswered(1), &["report"]);
    story.at(STARTUP - Duration::from_millis(1)).then(Event::Tick, &[]);
    story.woken(&["withdraw", "terminate", "report"]);
    let last = story.life.report().last.unwrap();
    assert_eq!(last.reason, "StartupTimeout");
    assert!(last.message.contains("NotReady: GET / answered 503"), "{}", last.message);
    story.woken(&["kill"]);
    story.then(Event::ScriptExited { exit: Exit::Signal(9), survivors: false }, &["report"]);
    story.woken(&["start", "report"]);
    assert_eq!(story.life.report().last.unwrap().reason, "StartupTimeout", "not the signal it was ended by");
}

#[test]
fn three_failed_probes_in_a_row_withdraw_and_one_success_publishes_again() {
    let mut story = Story::ready();
    story.then(unanswered(1), &[]);
    story.then(unanswered(1), &[]);
    story.then(answered(1), &[]);
    story.then(unanswered(1), &[]);
    story.then(unanswered(1), &[]);
    story.then(unanswered(1), &["withdraw", "report"]);
    assert_eq!(story.phase(), Phase::Unready);
    assert_eq!(story.life.wake(), None, "readiness alone never ends a model");
    story.then(unanswered(1), &[]);
    story.then(answered(1), &["publish", "report"]);
    assert_eq!(story.phase(), Phase::Ready);
}

#[test]
fn another_address_is_published_in_place_of_the_first() {
    let mut story = Story::ready();
    let address = Address { url: "http://n:2".to_owned(), ..address() };
    story.then(Event::Answered { run: 1, address }, &["publish", "report"]);
}

#[test]
fn a_lost_port_withdraws_and_gives_the_script_as_long_as_at_first() {
    let mut story = Story::ready();
    story.at(seconds(100)).then(Event::PortLost { run: 1 }, &["withdraw", "report"]);
    assert_eq!(story.phase(), Phase::Unready);
    assert_eq!(story.life.wake(), Some(seconds(100) + STARTUP));
    story.then(Event::PortLost { run: 1 }, &[]);
    story.woken(&["withdraw", "terminate", "report"]);
}

#[test]
fn a_daemon_left_behind_is_the_model_until_nothing_of_it_is_left() {
    let mut story = Story::begun();
    story.then(left_behind(0), &[]);
    assert_eq!(story.phase(), Phase::Starting);
    story.then(answered(1), &["publish", "report"]);
    story.then(Event::TreeEnded, &["withdraw", "report"]);
    story.woken(&["start", "report"]);
}

#[test]
fn a_daemon_that_loses_its_port_is_ended_with_its_company() {
    let mut story = Story::ready();
    story.then(left_behind(0), &[]);
    story.then(Event::PortLost { run: 1 }, &["withdraw", "terminate", "report"]);
    story.then(Event::TreeEnded, &["report"]);
    story.woken(&["start", "report"]);
}

#[test]
fn a_script_that_fails_takes_what_it_left_behind_with_it() {
    let mut story = Story::ready();
    story.then(left_behind(3), &["withdraw", "terminate", "report"]);
    assert_eq!(story.life.wake(), Some(CLEARING_GRACE));
    story.woken(&["kill"]);
    story.woken(&["kill"]);
    story.then(Event::TreeEnded, &["report"]);
    assert_eq!(story.life.report().last.unwrap().exit, Some(Exit::Code(3)));
    story.woken(&["start", "report"]);
}

#[test]
fn a_start_that_fails_is_tried_again_and_one_that_never_can_is_left() {
    let mut story = Story::begun();
    story.then(Event::StartFailed(ending("StartFailed")), &["withdraw", "report"]);
    story.woken(&["start", "report"]);
    let effects = story.then(Event::Unstartable(ending("ScriptMissing")), &["leave"]);
    assert!(matches!(&effects[0], Effect::Leave { code: 1, ending } if ending.reason == "ScriptMissing"));
    assert_eq!(story.life.wake(), None);
}

#[test]
fn news_of_an_earlier_run_are_passed_over() {
    let mut story = Story::ready();
    story.then(exited(1), &["withdraw", "report"]);
    story.woken(&["start", "report"]);
    story.then(answered(1), &[]);
    story.then(unanswered(1), &[]);
    story.then(Event::PortLost { run: 1 }, &[]);
    assert_eq!(story.phase(), Phase::Starting);
}

#[test]
fn a_stopping_record_withdraws_then_lingers_then_ends_the_model() {
    let mut story = Story::ready();
    story.at(seconds(10)).then(stop(Cause::RecordStopping), &["withdraw", "report"]);
    assert_eq!(story.phase(), Phase::Stopping);
    story.then(Event::Withdrawn, &[]);
    assert_eq!(story.life.wake(), Some(seconds(11)));
    story.woken(&["terminate"]);
    assert_eq!(story.life.wake(), Some(seconds(10) + GRACE), "the grace runs from the order");
    let effects = story.then(exited(0), &["leave"]);
    assert!(matches!(&effects[0], Effect::Leave { code: 0, ending } if ending.reason == "Stopped"));
    assert_eq!(story.life.wake(), None);
}

#[test]
fn what_ignores_sigterm_is_killed_at_the_end_of_grace() {
    let mut story = Story::ready();
    story.then(stop(Cause::RecordGone), &["withdraw", "report"]);
    story.then(Event::Withdrawn, &[]);
    story.woken(&["terminate"]);
    story.woken(&["kill"]);
    assert_eq!(story.now, GRACE);
    story.then(Event::ScriptExited { exit: Exit::Signal(9), survivors: true }, &[]);
    story.woken(&["kill"]);
    let effects = story.then(Event::TreeEnded, &["leave"]);
    assert!(matches!(&effects[0], Effect::Leave { code: 0, ending } if ending.exit == Some(Exit::Signal(9))));
}

#[test]
fn a_short_grace_is_shared_between_clients_and_model() {
    let mut story = Story::ready();
    let order = Stop { cause: Cause::RecordStopping, message: String::new(), grace: Some(seconds(1)) };
    story.then(Event::StopOrdered(order), &["withdraw", "report"]);
    story.then(Event::Withdrawn, &[]);
    assert_eq!(story.life.wake(), Some(Duration::from_millis(500)));
}

#[test]
fn with_the_store_away_a_stop_goes_on_after_a_while() {
    let mut story = Story::ready();
    story.then(stop(Cause::RecordStopping), &["withdraw", "report"]);
    story.woken(&[]);
    assert_eq!(story.now, WITHDRAW_PATIENCE);
    story.woken(&["terminate"]);
}

#[test]
fn sigterm_does_not_linger_and_ends_with_143() {
    let mut story = Story::ready();
    story.then(stop(Cause::Signal), &["withdraw", "report"]);
    assert_eq!(story.life.wake(), Some(WITHDRAW_PATIENCE_SIGNAL));
    story.then(Event::Withdrawn, &["terminate"]);
    let effects = story.then(exited(0), &["leave"]);
    assert!(matches!(effects[0], Effect::Leave { code: 143, .. }));
}

#[test]
fn sigterm_hurries_a_stop_that_has_begun() {
    let mut story = Story::ready();
    story.then(stop(Cause::RecordStopping), &["withdraw", "report"]);
    story.then(stop(Cause::Signal), &[]);
    assert_eq!(story.life.wake(), Some(WITHDRAW_PATIENCE_SIGNAL));
    story.then(Event::Withdrawn, &[]);
    story.then(stop(Cause::RecordGone), &[]);
    story.then(stop(Cause::Signal), &["terminate"]);
    let order = Stop { cause: Cause::Signal, message: String::new(), grace: Some(Duration::ZERO) };
    story.then(Event::StopOrdered(order), &[]);
    story.woken(&["kill"]);
    assert_eq!(story.now, Moment::ZERO);
}

#[test]
fn a_model_that_dies_before_it_is_told_to_leaves_once_its_endpoint_is_gone() {
    let mut story = Story::ready();
    story.then(stop(Cause::Signal), &["withdraw", "report"]);
    story.then(exited(0), &[]);
    story.then(Event::Withdrawn, &["leave"]);
}

#[test]
fn a_stop_while_backing_off_or_clearing_needs_no_grace() {
    let mut story = Story::ready();
    story.then(exited(1), &["withdraw", "report"]);
    story.then(stop(Cause::RecordStopping), &["withdraw", "report"]);
    story.then(Event::Withdrawn, &["leave"]);

    let mut story = Story::ready();
    story.then(left_behind(1), &["withdraw", "terminate", "report"]);
    story.then(stop(Cause::RecordStopping), &["withdraw", "report"]);
    story.then(Event::TreeEnded, &[]);
    story.then(Event::Withdrawn, &["leave"]);
}

fn any_event() -> impl Strategy<Value = Event> {
    let run = 0u32..4;
    let cause = prop_oneof![Just(Cause::RecordStopping), Just(Cause::RecordGone), Just(Cause::Signal)];
    prop_oneof![
        6 => Just(Event::Tick),
        1 => Just(Event::StartFailed(ending("StartFailed"))),
        1 => Just(Event::Unstartable(ending("ScriptMissing"))),
        4 => run.clone().prop_map(answered),
        3 => run.clone().prop_map(unanswered),
        1 => run.prop_map(|run| Event::PortLost { run }),
        2 => (0..3, any::<bool>())
            .prop_map(|(code, survivors)| Event::ScriptExited { exit: Exit::Code(code), survivors }),
        2 => Just(Event::TreeEnded),
        1 => cause.prop_map(stop),
        1 => Just(Event::Withdrawn),
    ]
}

proptest! {
    /// In any order of events, possible or not: nothing panics, nothing is published but in Ready, no run begins while
    /// the one before may live, and after leaving nothing is done any more.
    #[test]
    fn its_promises_hold_in_any_order_of_events(events in proptest::collection::vec((any_event(), 0u64..400), 0..80)) {
        let mut life = Life::new(Times { startup: STARTUP, grace: GRACE });
        let mut now = Moment::ZERO;
        let mut left = false;
        let mut published = false;
        let mut stopping = false;
        for (event, later) in events {
            now += seconds(later);
            stopping |= matches!(event, Event::StopOrdered(_));
            let alive = life.tree;
            let effects = life.step(now, event);
            prop_assert!(!left || effects.is_empty(), "did {effects:?} after leaving");
            for effect in &effects {
                match effect {
                    Effect::Publish { .. } => {
                        prop_assert!(!stopping, "published after an order to end");
                        published = true;
                    }
                    Effect::Withdraw => published = false,
                    Effect::Start { .. } => {
                        prop_assert!(!alive, "started beside a living run");
                        prop_assert!(!stopping, "started after an order to end");
                    }
                    Effect::Leave { .. } => left = true,
                    Effect::Terminate | Effect::Kill | Effect::Report(_) => {}
                }
            }
            prop_assert_eq!(published, life.report().phase == Phase::Ready);
        }
    }

    /// From any state, an order to end is followed by leaving, within grace and a little.
    #[test]
    fn an_order_to_end_ends(events in proptest::collection::vec((any_event(), 0u64..400), 0..40)) {
        let mut life = Life::new(Times { startup: STARTUP, grace: GRACE });
        let mut now = Moment::ZERO;
        for (event, later) in events {
            now += seconds(later);
            life.step(now, event);
        }
        let ordered = now;
        let mut effects = life.step(now, stop(Cause::RecordStopping));
        let mut killed = false;
        for _ in 0..50 {
            if matches!(life.state, State::Left) {
                break;
            }
            killed |= effects.contains(&Effect::Kill);
            if killed {
                effects = life.step(now, Event::TreeEnded);
                continue;
            }
            now = now.max(life.wake().expect("a life that is ending waits for something"));
            effects = life.step(now, Event::Tick);
        }
        prop_assert_eq!(&life.state, &State::Left);
        prop_assert!(now - ordered <= GRACE + WITHDRAW_PATIENCE + LINGER);
    }
}
