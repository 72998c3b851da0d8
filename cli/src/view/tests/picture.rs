//! The README's picture of the view is what the view draws.

use maas_store::{EventKind, Phase, RunnerReport, Waiting};

use super::{View, exit, report};

const BEGIN: &str = "<!-- maasctl watch: `make docs` draws it anew -->\n```text\n";
const END: &str = "```\n";

#[test]
fn the_picture_in_the_readme_is_drawn_by_the_view() {
    let mut view = View::new(100, 20);
    view.leader();
    view.spec("dga-1.0", 3);
    view.status("dga-1.0", 3, Some(("Available", "MinimumReplicasAvailable", "3 of 3 instances are ready.")));
    view.spec("dga-2.0", 3);
    view.status(
        "dga-2.0",
        1,
        Some(("Progressing", "PortClosed", "Instance 3-5 is not ready: nothing listens on 1500.")),
    );
    view.spec("entropy", 2);
    view.status("entropy", 1, Some(("ReplicaFailure", "InsufficientCapacity", "1 of 2 instances wait for room.")));
    view.instance("dga-2.0", 4, Some(report(Phase::Ready)), Some("http://node1:34711"));
    let waiting = Some(Waiting { reason: "PortClosed".into(), message: "nothing listens on 1500".into() });
    view.instance("dga-2.0", 5, Some(RunnerReport { waiting, ..report(Phase::Starting) }), None);
    let last_exit = Some(exit("no module named flask"));
    view.instance("dga-2.0", 6, Some(RunnerReport { restarts: 2, last_exit, ..report(Phase::BackingOff) }), None);
    view.event("dga-2.0", "3-6", EventKind::Warning, "Crashed", "exit 7 after 1 s: no module named flask");
    view.keys("j");
    let picture = view.text();

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the README has a place for the picture");
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("MAAS_BLESS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{picture}{END}{after}")).unwrap();
    } else {
        assert_eq!(found, picture, "`make docs` draws it anew");
    }
}
