//! What models write, and what they use, as a person reads it: while they run, over crashes, rotation and moves, after
//! their end, and after the service's.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maas_e2e::Cluster;
use support::{Maas, RUNNER, kill, manifest, until};

const LONG: Duration = Duration::from_secs(90);

/// A model that says what it is told to in files, and ends when it is told to.
const SCRIPT: &str = "#!/bin/sh\necho \"begins $$\"\necho \"complains $$\" >&2\nexec python3 -I -S -u ./talker.py\n";
const TALKER: &str = r#"import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        verb, _, words = self.path[1:].partition("/")
        if verb == "say":
            print(words, flush=True)
        if verb == "flood":
            print(("x" * 1023 + "\n") * int(words) + "flooded", flush=True)
        self.send_response(200); self.end_headers(); self.wfile.flush()
        if verb == "end":
            sys.stdout.flush(); sys.stderr.flush()
            import os; os._exit(int(words))
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)
with open("endpoint.dat.new", "w") as file:
    json.dump({"url": "http://0.0.0.0:%d" % server.server_address[1]}, file)
import os
os.rename("endpoint.dat.new", "endpoint.dat")
server.serve_forever()
"#;

/// A `maasctl logs -f` whose lines are kept.
struct Follower {
    child: Child,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Follower {
    fn start(maas: &Maas, args: &[&str]) -> Self {
        let mut command = maas.command("maasctl", args);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let (kept, stdout) = (Arc::clone(&lines), BufReader::new(child.stdout.take().unwrap()));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                kept.lock().unwrap().push_back(line);
            }
        });
        Self { child, lines }
    }

    /// Waits for a line with these words at its end; what stands before it is passed over, and counted.
    #[track_caller]
    fn until(&self, end: &str) -> (usize, String) {
        self.until_one(end, |line| line.ends_with(end))
    }

    /// Waits for the first words of a run.
    #[track_caller]
    fn until_begins(&self) {
        self.until_one("begins", |line| line.contains("] begins "));
    }

    #[track_caller]
    fn until_one(&self, what: &str, is: impl Fn(&str) -> bool) -> (usize, String) {
        let mut passed = 0;
        let mut found = None;
        let good = until(LONG, || {
            let mut lines = self.lines.lock().unwrap();
            while let Some(line) = lines.pop_front() {
                if is(&line) {
                    found = Some(line);
                    return true;
                }
                passed += 1;
            }
            false
        });
        assert!(good, "no line was {what:?}; {passed} others came");
        (passed, found.unwrap())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Follower {
    /// Ends by itself, well.
    fn ends(mut self) {
        let mut status = None;
        assert!(until(LONG, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        }));
        assert!(status.unwrap().success());
    }
}

async fn tell(maas: &Maas, words: &str) {
    let (_, url) = maas.endpoints().into_iter().next().expect("it is published");
    // It may end before it has answered.
    drop(support::http(&format!("{url}/{words}")).await);
}

fn instance(maas: &Maas) -> String {
    maas.endpoints().into_iter().next().expect("it is published").0
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_read_over_crashes_rotation_moves_and_the_services_end() {
    let builder = Cluster::builder().node_managers(1).yarn("yarn.log-aggregation-enable", "true");
    let maas = Maas::without_service(builder).await;
    maas.start_service();
    let payload = maas.payload(&[("start.sh", SCRIPT), ("talker.py", TALKER)]).await;
    maas.apply(&manifest("talker", 1, "256Mi", &payload, "")).good();
    maas.until_ready("talker", "1/1");
    let first = instance(&maas);

    // What is said is printed once, as it is said.
    let follower = Follower::start(&maas, &["logs", "-f", "talker", "--prefix"]);
    follower.until_begins();
    tell(&maas, "say/one").await;
    assert_eq!(follower.until("one").1, format!("[{first}] one"));

    // More than two files full, put aside while it is followed: nothing is lost, nothing comes twice.
    tell(&maas, "flood/6000").await;
    assert_eq!(follower.until("flooded").0, 6000);
    tell(&maas, "flood/6000").await;
    assert_eq!(follower.until("flooded").0, 6000);
    let whole = maas.ctl(&["logs", "talker", "--tail", "7000"]).good();
    assert_eq!(whole.lines().count(), 7000, "the tail reaches into the file that was put aside");

    // Ended and started again in place: the run before is the previous one.
    tell(&maas, "say/before").await;
    follower.until("before");
    tell(&maas, "end/3").await;
    follower.until_begins();
    maas.until_ready("talker", "1/1");
    assert_eq!(instance(&maas), first);
    tell(&maas, "say/after").await;
    follower.until("after");
    let previous = maas.ctl(&["logs", "--previous", "talker", "--tail", "1"]).good();
    assert_eq!(previous, "before\n");
    let previous = maas.ctl(&["logs", "-p", &first, "--stderr"]).good();
    assert!(previous.starts_with("complains ") && previous.lines().count() == 1, "{previous}");
    let both = maas.ctl(&["logs", &first, "--stderr"]).good();
    assert_eq!(both.lines().count(), 2, "the log holds both runs: {both}");
    let new = maas.ctl(&["logs", "talker", "--since", "10m", "--tail", "1"]).good();
    assert_eq!(new, "after\n");
    // By label, and with times, once and followed.
    let stamped = maas.ctl(&["logs", "-l", "!none", "--timestamps", "--tail", "1"]).good();
    let (time, line) = stamped.split_once(' ').unwrap();
    assert!(time.starts_with("20") && time.len() == "2026-01-31T12:00:00Z".len() && line == "after\n", "{stamped}");
    let since = maas.ctl(&["logs", "talker", "--since-time", time, "--tail", "1"]).good();
    assert_eq!(since, "after\n");
    let stamping = Follower::start(&maas, &["logs", "-f", "-l", "!none", "--timestamps"]);
    stamping.until("Z after");
    // Whatever the machine's speed, all of it is older than a moment from now.
    assert!(until(LONG, || maas.ctl(&["logs", "talker", "--since", "1s"]).good().is_empty()));

    // What it uses.
    assert!(until(LONG, || maas.ctl(&["top", "instances", "--no-headers"]).code == 0));
    let top = maas.ctl(&["top", "instances", "--no-headers"]).good();
    let cells: Vec<&str> = top.split_whitespace().collect();
    assert_eq!((cells[0], cells.len()), (first.as_str(), 4), "{top}");
    let memory: u64 = cells[2].strip_suffix("Mi").unwrap().parse().unwrap();
    assert!((1..256).contains(&memory) && cells[1].ends_with('m') && cells[3].ends_with('%'), "{top}");
    let models = maas.ctl(&["top", "models"]).good();
    assert!(models.starts_with("NAME     INSTANCES   CPU(cores)   MEMORY(bytes)   MEMORY%\ntalker   1 "), "{models}");

    // Its container is lost: another takes over, and is followed; what the first wrote is still read.
    let one = Follower::start(&maas, &["logs", "-f", &first, "--tail", "1"]);
    one.until("after");
    kill(maas.pids(RUNNER)[0]);
    one.ends();
    follower.until_begins();
    maas.until_ready("talker", "1/1");
    let second = instance(&maas);
    assert_ne!(second, first);
    tell(&maas, "say/two").await;
    assert_eq!(follower.until("two").1, format!("[{second}] two"));
    assert!(stamping.until("Z two").1.starts_with(&format!("[{second}] 20")));
    let ended = maas.ctl(&["logs", &first]).good();
    assert!(ended.ends_with("\nafter\n"));
    let total = ended.lines().count();
    assert_eq!(maas.ctl(&["logs", "-p", "talker", "--tail", "1"]).good(), "after\n");

    // The service ends, and YARN puts all of it into HDFS.
    maas.ctl(&["service", "stop"]).good();
    let collected = || maas.ctl(&["logs", "-p", &first, "--tail", "1", "-v"]);
    let from_hdfs = until(LONG, || {
        let said = collected();
        said.code == 0 && said.err.contains("bucket-logs-tfile")
    });
    assert!(from_hdfs, "{}", collected().err);
    assert_eq!(collected().out, "before\n");
    assert_eq!(maas.ctl(&["logs", &first]).good().lines().count(), total, "all of it, as it was before");
    assert!(until(LONG, || maas.ctl(&["logs", "talker", "--tail", "1"]).out == "two\n"));
}
