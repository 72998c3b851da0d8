//! What keys do, seen on the screen.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use maas_crd::{Iid, Namespace};
use maas_store::{Change, Node, Root};

use super::super::keys::{Effect, Request};
use super::super::model::Place;
use super::super::state::Outcome;
use super::{NOW, View, place};

#[test]
fn the_choice_stays_with_its_model() {
    let mut view = View::filled(80, 24);
    view.key(KeyCode::Down);
    view.shows(&["> entropy", "Instances of entropy (0)"]);
    view.spec("aaa", 1);
    view.shows(&["> entropy"]);
    let Place { namespace, name } = place("entropy");
    view.state.take(Change::Gone { path: Node::Spec { namespace, name }.path(&Root::default()) }, NOW);
    view.shows(&["> new"]);
    view.keys("G");
    view.shows(&["> new"]);
    view.keys("g");
    view.shows(&["> aaa"]);
    view.keys("kkk");
    view.shows(&["> aaa"]);
    for name in 0..50 {
        view.spec(&format!("many-{name:02}"), 1);
    }
    view.keys("G");
    view.shows(&["> new"]);
    view.key(KeyCode::PageUp);
    view.shows(&["> many-42"]);
}

#[test]
fn instances_are_chosen_with_tab() {
    let mut view = View::filled(80, 24);
    view.key(KeyCode::Tab);
    view.keys("j");
    view.shows(&["> 3-2"]);
    let effect = view.keys("l");
    assert_eq!(effect, Some(Effect::Log { of: place("dga-1.0"), iid: Iid::new(3, 2), file: "model.out" }));
}

#[test]
fn the_lists_are_narrowed_by_name_and_by_trouble() {
    let mut view = View::filled(80, 24);
    view.keys("/CAPACITY");
    view.shows(&["Models (1 of 3 with \"CAPACITY\")", "> entropy", "\n/CAPACITY\n"]);
    view.terminal.backend_mut().assert_cursor_position((9, 23));
    view.key(KeyCode::Esc);
    view.shows(&["Models (3)"]);
    view.keys("/nothing\n");
    view.shows(&["Models (0 of 3 with \"nothing\")", "None of them has the filter's text"]);
    assert_eq!(view.keys("sl\n"), None);
    view.key(KeyCode::Esc);
    view.shows(&["Models (3)"]);
    assert_eq!(view.key(KeyCode::Esc), Some(Effect::Quit));
}

#[test]
fn scaling_takes_a_number_and_a_yes() {
    let mut view = View::filled(80, 24);
    assert_eq!(view.keys("s"), None);
    view.shows(&["Scale dga-1.0", "Replicas, 2 until now:"]);
    assert_eq!(view.keys("x-5\n"), None);
    view.shows(&["Scale dga-1.0 from 2 to 5?", "y does it, n leaves it as it is"]);
    assert_eq!(view.keys("\nxq"), None, "nothing but y does it");
    view.shows(&["nothing was changed"]);
    assert_eq!(view.keys("s0\n"), None);
    view.shows(&["Scale dga-1.0 from 2 to 0? Nothing will serve it any more."]);
    let scale = Request::Scale { of: place("dga-1.0"), replicas: 0 };
    assert_eq!(view.keys("y"), Some(Effect::Request(scale)));
    view.state.outcome(Outcome::Done(Ok("modeldeployment.maas/dga-1.0 scaled".to_owned())));
    view.shows(&["\nmodeldeployment.maas/dga-1.0 scaled\n"]);
    view.state.outcome(Outcome::Done(Err("a ".repeat(100))));
    view.shows(&["a a a"]);
    view.keys("s2\n");
    view.shows(&["dga-1.0 has 2 replicas already"]);
    view.keys("s1001\n");
    view.shows(&["\"1001\": expected a whole number from 0 to 1000"]);
    view.keys("s\n");
    view.shows(&["\"\": expected a whole number"]);
}

#[test]
fn a_restart_takes_a_yes() {
    let mut view = View::filled(80, 24);
    assert_eq!(view.keys("r"), None);
    view.shows(&["Restart dga-1.0? Its 2 instances are replaced one after another.", "y does it, n leaves it"]);
    assert_eq!(view.keys("n"), None);
    view.shows(&["nothing was changed"]);
    assert_eq!(view.keys("ry"), Some(Effect::Request(Request::Restart { of: place("dga-1.0") })));
    let Place { namespace, name } = place("dga-1.0");
    view.keys("\n");
    view.put(&Node::Spec { namespace, name }, b"spec: [".to_vec(), super::stat(7, 0));
    view.keys("r");
    view.shows(&["the manifest of dga-1.0 cannot be read: apply a good one"]);
}

#[test]
fn pages_of_text_are_scrolled_and_left() {
    let mut view = View::filled(60, 14);
    view.keys("\n");
    view.shows(&["Model dga-1.0 (11 of ", "Name:                  dga-1.0", "q back"]);
    view.keys("G");
    view.shows(&["3-1: Instance 3-1\n answers."]);
    view.shows_not("CreationTimestamp");
    view.keys("kkk g");
    view.shows(&["CreationTimestamp"]);
    let Place { namespace, name } = place("dga-1.0");
    view.state.take(Change::Gone { path: Node::Spec { namespace, name }.path(&Root::default()) }, NOW);
    view.shows(&["dga-1.0 was deleted; 2 of its instances are still there."]);
    view.keys("e");
    view.shows(&["Events, the newest first", "instance/dga-1.0/3-1"]);
    view.keys("p");
    view.shows(&["Endpoints", "dga-1.0/3-2", "http://node1:1501"]);
    view.keys("/1501\n");
    view.shows_not("http://node1:1500");
    assert_eq!(view.keys("q"), None);
    assert_eq!(view.keys("q"), Some(Effect::Quit));
}

#[test]
fn a_log_is_followed_and_scrolled() {
    let mut view = View::filled(60, 14);
    view.instance("entropy", 7, None, None);
    let log = |counter, file| Some(Effect::Log { of: place("dga-1.0"), iid: Iid::new(3, counter), file });
    assert_eq!(view.keys("l"), log(1, "model.out"));
    view.shows(&["model.out of dga-1.0/3-1 (following)", "-- reading ..."]);
    view.state.outcome(Outcome::Output(Ok(Vec::new())));
    view.shows(&["-- nothing was written yet"]);
    let text: String = (1..=30).map(|n| format!("line {n}\n")).collect();
    view.state.outcome(Outcome::Output(Ok(text.into_bytes())));
    view.shows(&["line 30"]);
    view.shows_not("line 19\n");
    view.keys("kk");
    view.shows(&["(2 lines below)", "line 28"]);
    view.shows_not("line 29");
    view.keys("g");
    view.shows(&["line 1\n"]);
    view.keys("G");
    view.state.outcome(Outcome::Output(Ok(b"and more\n".to_vec())));
    view.shows(&["(following)", "and more"]);
    view.state.outcome(Outcome::Output(Err("the NodeManager is away".to_owned())));
    view.shows(&["-- the NodeManager is away"]);
    assert_eq!(view.keys("o"), log(1, "model.err"));
    view.shows(&["model.err of dga-1.0/3-1"]);
    assert_eq!(view.key(KeyCode::Tab), log(2, "model.err"));
    assert_eq!(view.key(KeyCode::Tab), log(1, "model.err"));
    view.keys("qjj");
    assert_eq!(view.keys("l"), None);
    view.shows(&["new has no instance whose output could be read"]);
    view.state.outcome(Outcome::Output(Ok(b"late".to_vec())));
    view.shows_not("late");
}

#[test]
fn namespaces_are_read_and_chosen() {
    let mut view = View::filled(80, 24);
    assert_eq!(view.keys("n"), Some(Effect::Request(Request::Namespaces)));
    view.shows(&["Namespace", "reading ..."]);
    let found = ["default", "soc"].map(|name| name.parse::<Namespace>().unwrap());
    view.state.outcome(Outcome::Namespaces(Ok(found.to_vec())));
    view.shows(&["(all)", "soc"]);
    assert_eq!(view.keys("j\n"), Some(Effect::Follow(Some(found[1].clone()))), "it begins at the one that is shown");
    view.keys("n");
    view.state.outcome(Outcome::Namespaces(Ok(found.to_vec())));
    assert_eq!(view.keys("g\n"), Some(Effect::Follow(None)));
    view.state.rescope(None);
    view.shows(&["all namespaces", "Reading the tree ..."]);
    view.state.take(Change::Listed, NOW);
    view.shows(&["No resources found. `maasctl apply -f FILE` makes some."]);
    view.spec_in("soc", "dga-1.0", 1);
    view.shows(&["NAMESPACE  NAME     READY", "> soc        dga-1.0  0/1"]);
    view.keys("n");
    view.state.outcome(Outcome::Namespaces(Err("no rights".to_owned())));
    view.shows(&["no rights"]);
}

#[test]
fn help_lists_the_keys() {
    let mut view = View::filled(80, 24);
    view.keys("?");
    view.shows(&["Keys", "scale the chosen model", "Ctrl-C"]);
    assert_eq!(view.keys("q"), None);
    view.shows_not("scale the chosen model");
    let end = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(view.state.key(end), Some(Effect::Quit));
}
