//! The example models, started as the runner starts them: their rest.sh, in a copy of their directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

#[test]
fn the_mock_dga_model_tells_legit_hosts_from_all_others() {
    let model = Model::start("mock_dga");
    assert_eq!(model.get("/apply?host=yahoo.com"), (200, json!({"is_malicious": "legit"})));
    assert_eq!(model.get("/apply?host=amazon.com"), (200, json!({"is_malicious": "legit"})));
    assert_eq!(model.get("/apply?host=caseystella.com"), (200, json!({"is_malicious": "malicious"})));
    model.answers_what_every_model_must();
    model.ends_when_asked();
}

#[test]
fn the_entropy_model_scores_in_bits_a_character() {
    let model = Model::start("entropy_perl");
    let score = |host: &str| {
        let (status, body) = model.get(&format!("/apply?host={host}"));
        assert_eq!(status, 200, "{body}");
        body["entropy"].as_f64().unwrap()
    };
    assert_eq!(score("aaaa"), 0.0);
    assert_eq!(score("ab"), 1.0);
    assert_eq!(score("%61%62cd"), 2.0);
    assert!(score("xk2j9q0vw7.com") > score("google.com"));
    model.answers_what_every_model_must();
    model.ends_when_asked();
}

struct Model {
    child: Option<Child>,
    port: u16,
    directory: tempfile::TempDir,
}

impl Model {
    /// Runs rest.sh and waits for the announcement; the model must be listening as soon as that is there.
    fn start(example: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example);
        let files: Vec<_> = fs::read_dir(&source).unwrap().map(|entry| entry.unwrap().path()).collect();
        let scripts = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "sh"));
        assert_eq!(scripts.count(), 1, "a payload has exactly one .sh");
        for file in &files {
            fs::copy(file, directory.path().join(file.file_name().unwrap())).unwrap();
        }
        let started = Instant::now();
        let mut child = Command::new("./rest.sh").current_dir(directory.path()).spawn().unwrap();
        let announcement = directory.path().join("endpoint.dat");
        let text = loop {
            match fs::read_to_string(&announcement) {
                Ok(text) => break text,
                Err(_) => assert!(started.elapsed() < Duration::from_secs(20), "{example} announced nothing"),
            }
            // Its interpreter is missing, perhaps: apt-get install python3, perl.
            assert_eq!(child.try_wait().unwrap(), None, "{example} ended at once");
            std::thread::sleep(Duration::from_millis(1));
        };
        println!("{example} listens after {} ms", started.elapsed().as_millis());
        let said: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(said["functions"], json!({"apply": "apply"}));
        let port = said["url"].as_str().unwrap().strip_prefix("http://0.0.0.0:").unwrap().parse().unwrap();
        Self { child: Some(child), port, directory }
    }

    fn connect(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        BufReader::new(stream)
    }

    fn get(&self, target: &str) -> (u16, Value) {
        let mut connection = self.connect();
        write!(connection.get_mut(), "GET {target} HTTP/1.1\r\nHost: model\r\n\r\n").unwrap();
        read_answer(&mut connection)
    }

    fn answers_what_every_model_must(&self) {
        assert_eq!(self.get("/health"), (200, json!({"status": "ok"})));
        assert_eq!(self.get("/apply").0, 400);
        assert_eq!(self.get("/elsewhere").0, 404);

        // One connection, used again and again, and for two requests at once.
        let mut kept = self.connect();
        let since = Instant::now();
        for _ in 0..20 {
            write!(kept.get_mut(), "GET /apply?host=yahoo.com HTTP/1.1\r\nHost: model\r\n\r\n").unwrap();
            assert_eq!(read_answer(&mut kept).0, 200);
        }
        assert!(since.elapsed() < Duration::from_millis(20 * 40), "each answer waited for a delayed acknowledgement");
        let two = "GET /health HTTP/1.1\r\nHost: model\r\n\r\nGET /apply HTTP/1.1\r\nHost: model\r\n\r\n";
        kept.get_mut().write_all(two.as_bytes()).unwrap();
        assert_eq!((read_answer(&mut kept).0, read_answer(&mut kept).0), (200, 400));

        // Nonsense gets an error or the end of the connection, and hurts nobody else.
        let mut broken = self.connect();
        broken.get_mut().write_all(b"\0\xff nonsense\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        drop(broken.read_to_end(&mut answer));
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
        assert_eq!(self.get("/health").0, 200);
    }

    /// An idle connection must not hold up the end.
    fn ends_when_asked(mut self) {
        let idle = self.connect();
        assert_eq!(self.get("/health").0, 200);
        let asked = Instant::now();
        let mut child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert!(wait(&mut child).success());
        assert!(asked.elapsed() < Duration::from_secs(3), "took {:?}", asked.elapsed());
        drop(idle);
        let left: Vec<_> = fs::read_dir(self.directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < end, "the model did not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn read_answer(connection: &mut BufReader<TcpStream>) -> (u16, Value) {
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {line:?}")).parse().unwrap();
    let mut length = 0;
    loop {
        line.clear();
        connection.read_line(&mut line).unwrap();
        match line.trim_end().split_once(':') {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap()
            }
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}
