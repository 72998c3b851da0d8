//! What stands on the screen.

use maas_store::{Change, EventKind, Node, Phase, Root, RunnerReport, Waiting};
use ratatui::style::Modifier;

use super::super::model::Place;
use super::super::state::Outcome;
use super::{NOW, View, exit, place, report, stat};

#[test]
fn the_first_screen_shows_models_and_what_belongs_to_the_chosen_one() {
    let mut view = View::filled(80, 24);
    let expect = "\
maas  namespace default  operator node1 (epoch 3)  zk1:2181/maas
 Models (3) ────────────────────────────────────────────────────────────────────
  NAME     READY  UP-TO-DATE  AVAILABLE  AGE   CONDITION
> dga-1.0  2/2    2           2          100s
  entropy  1/3    1           1          100s  InsufficientCapacity: 2 of 3 ins…
  new      0/1    0           0          100s  the operator has not seen it yet
 Instances of dga-1.0 (2) ──────────────────────────────────────────────────────
  NAME  READY  STATUS   RESTARTS  AGE   NODE   ENDPOINT, OR WHAT IT LACKS
  3-1   1/1    Running  0         100s  node1  http://node1:1500
  3-2   1/1    Running  0         100s  node1  http://node1:1501
 Events of dga-1.0, the newest first ───────────────────────────────────────────
  LAST SEEN  TYPE    REASON  OBJECT  MESSAGE
  100s       Normal  Ready   3-1     Instance 3-1 answers.










q quit  ? help  Enter describe  l logs  s scale  r restart  e events
";
    assert_eq!(view.text(), expect);
}

#[test]
fn a_small_terminal_shows_what_matters_most_and_a_tiny_one_says_so() {
    let mut view = View::filled(60, 12);
    view.shows(&["> dga-1.0", "Instances of dga-1.0", "http://node1:1500"]);
    view.shows_not("Events of");
    view.resize(40, 10);
    view.shows(&["> dga-1.0  2/2", "entropy", "q quit  ? help"]);
    view.resize(39, 10);
    view.shows(&["maasctl watch needs 40 columns and 10", "this terminal has 39 and 10"]);
    for columns in 1..60 {
        for lines in 1..16 {
            view.resize(columns, lines);
            view.draw(true);
        }
    }
}

#[test]
fn a_lost_connection_stands_first_until_the_list_is_whole_again() {
    let mut view = View::filled(80, 24);
    view.state.take(Change::Lost, NOW - 30_000);
    view.state.take(Change::Lost, NOW - 1_000);
    view.shows(&["maas  STALE since 22:14:30Z (30s): no ZooKeeper   namespace default", "> dga-1.0  2/2"]);
    view.state.take(Change::Session { id: 2 }, NOW);
    view.state.take(Change::Listing, NOW);
    view.shows(&["STALE"]);
    view.state.take(Change::Listed, NOW);
    view.shows_not("STALE");
}

#[test]
fn each_trouble_is_named() {
    let mut view = View::filled(140, 24);
    view.status("new", 0, Some(("Progressing", "ReplicasUpdating", "0 of 1 instances are of revision 1")));
    view.shows(&["entropy  1/3    1           1          100s  InsufficientCapacity: 2 of 3 instances wait for room"]);
    view.shows(&["new      0/1    0           0          100s  ReplicasUpdating: 0 of 1 instances are of revision 1"]);
    let Place { namespace, name } = place("broken");
    view.put(&Node::Spec { namespace, name }, b"spec: [".to_vec(), stat(7, 0));
    view.shows(&["broken   0/?", "InvalidManifest: "]);
    view.state.take(Change::Gone { path: Node::Leader.path(&Root::default()) }, NOW);
    view.spec("newer", 1);
    view.shows(&["no operator is running  zk1", "newer    0/1    0           0          100s  no operator is running"]);

    let mut view = View::filled(140, 24);
    let waiting = Waiting { reason: "PortClosed".into(), message: "nothing listens on 1500".into() };
    view.instance("dga-1.0", 3, Some(RunnerReport { waiting: Some(waiting), ..report(Phase::Starting) }), None);
    let last_exit = Some(exit("it ended after 3 s"));
    view.instance("dga-1.0", 4, Some(RunnerReport { restarts: 2, last_exit, ..report(Phase::BackingOff) }), None);
    view.instance("dga-1.0", 5, None, None);
    view.shows(&["3-3   0/1    Starting          0             100s  node1   PortClosed: nothing listens on 1500"]);
    view.shows(&["3-4   0/1    CrashLoopBackOff  2 (100s ago)  100s  node1   Exited, exit code 7: it ended after 3 s"]);
    view.shows(&["3-5   0/1    Pending           0             100s  <none>"]);
}

#[test]
fn colour_is_used_only_where_it_may_be() {
    let mut view = View::filled(80, 24);
    let coloured = |view: &View| {
        let cells = view.terminal.backend().buffer().content().iter();
        cells.filter(|cell| cell.fg != ratatui::style::Color::Reset || cell.bg != ratatui::style::Color::Reset).count()
    };
    view.draw(false);
    assert_eq!(coloured(&view), 0);
    let reversed =
        view.terminal.backend().buffer().content().iter().any(|cell| cell.modifier.contains(Modifier::REVERSED));
    assert!(reversed, "the choice is seen all the same");
    view.draw(true);
    assert!(coloured(&view) > 0);
}

#[test]
fn no_text_of_others_steers_the_terminal() {
    const EVIL: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}31m\r\n\t\u{202e}txet";
    let mut view = View::filled(200, 24);
    view.status("dga-1.0", 1, Some(("ReplicaFailure", EVIL, EVIL)));
    view.event("dga-1.0", "3-1", EventKind::Warning, EVIL, EVIL);
    let (node, last_exit) = (EVIL.to_owned(), Some(exit(EVIL)));
    view.instance("dga-1.0", 3, Some(RunnerReport { node, last_exit, ..report(Phase::BackingOff) }), None);
    view.instance("dga-1.0", 4, Some(report(Phase::Ready)), Some(EVIL));
    for page in ["", "\n", "e", "p", "l"] {
        view.keys(page);
        view.state.outcome(Outcome::Output(Ok(EVIL.as_bytes().to_vec())));
        view.state.outcome(Outcome::Done(Err(EVIL.to_owned())));
        view.draw(true);
        let cells = view.terminal.backend().buffer().content();
        let steers = |letter: char| letter.is_control() || letter == '\u{202e}';
        assert!(!cells.iter().any(|cell| cell.symbol().contains(steers)), "{}", view.text());
        view.shows(&["txet"]);
    }
}
