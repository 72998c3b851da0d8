//! Models asked, and Stellar evaluated, by the real binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/terminal.rs"]
mod terminal_support;
#[path = "support/tree.rs"]
mod tree_support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use support::{maasctl, with_stdin};
use terminal_support::Terminal;
use tree_support::Tree;

const DGA: &str = "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: dga-1.0\nspec:\n  model: {name: dga, version: \"1.0\"}\n  payload: {path: /models/dga}\n";

/// A model that answers each request so; gives what it was asked.
fn model(status: &'static str, body: &'static str) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut length, mut line) = (String::new(), 0, String::new());
            reader.read_line(&mut first).unwrap();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut sent = vec![0; length];
            reader.read_exact(&mut sent).unwrap();
            let _ = tell.send(format!("{}{}", first, String::from_utf8(sent).unwrap()));
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    (url, told)
}

#[test]
fn a_model_is_asked_by_its_name() {
    let tree = Tree::new();
    let (url, asked) = model("200 OK", r#"{"b": 1,  "a": "legit"}"#);
    tree.plant_instance("dga-1.0", 7, "dga", "1.0", &url);
    assert_eq!(tree.ctl(&["call", "dga", "host=a b", "k"]).ok(), "{\n    \"a\": \"legit\",\n    \"b\": 1\n}\n");
    assert_eq!(asked.recv().unwrap(), "GET /apply?host=a+b&k HTTP/1.1\r\n");
    assert_eq!(tree.ctl(&["call", "dga:1.0", "-o", "raw"]).ok(), "{\"b\": 1,  \"a\": \"legit\"}\n");
    assert_eq!(asked.recv().unwrap(), "GET /apply? HTTP/1.1\r\n");
    tree.ctl(&["call", "dga", "--function", "/deep/er", "-X", "post", "host=a"]).ok();
    assert_eq!(asked.recv().unwrap(), "POST /deep/er HTTP/1.1\r\n{\"host\":\"a\"}");
    tree.ctl_with(&["call", "dga", "-d", "@-"], "[1, 2]").ok();
    assert_eq!(asked.recv().unwrap(), "POST /apply HTTP/1.1\r\n[1,2]");
    let said = tree.ctl(&["-v", "call", "dga", "a=b"]);
    let line = format!("dga 1.0 3-7: GET {url}/apply?a=b: 23 bytes (");
    assert!(said.code == Some(0) && said.stderr.contains(&line), "{said:?}");

    for (words, says) in [
        (&["call", "dga", "=x"][..], "\"=x\" has no key"),
        (&["call", "dga:", "a=b"], "names no model"),
        (&["call", "dga", "-d", "{"], "what is to be sent is no JSON"),
        (&["call", "dga", "-d", "{}", "-X", "GET"], "leave out -X GET"),
        (&["call", "dga", "-X", "POST", "a=b", "a=c"], "a is given twice"),
        (&["call", "dga", "-d", "@/no/such/file"], "cannot read /no/such/file"),
        (&["call", "dga", "--timeout", "0s"], "no model answers in no time"),
    ] {
        let said = tree.ctl(words).failed();
        assert!(said.contains(says), "{words:?}: {said}");
    }
}

#[test]
fn why_nobody_answers_is_told() {
    let tree = Tree::new();
    let none = tree.ctl(&["call", "dga"]).failed();
    assert!(none.contains("error: no live endpoint of dga in default\nhint: namespace default has no model"), "{none}");
    tree.apply(DGA).ok();
    for (words, says) in [
        (&["call", "dag"][..], "no live endpoint of dag in default\nhint: did you mean dga?"),
        (&["call", "dga"], "dga-1.0: no operator has seen it\nno operator is running: maasctl service start"),
        (&["call", "dga:2.0"], "no live endpoint of dga 2.0 in default\nhint: dga has the versions 1.0"),
        (&["call", "-n", "soc", "dga"], "hint: it is in namespace default: add -n default"),
    ] {
        let said = tree.ctl(words).failed();
        assert!(said.contains(says), "{words:?}: {said}");
    }
    let (failing, _asked) = model("500 Oh", "no\u{1b}[2J idea");
    tree.plant_instance("dga-1.0", 7, "dga", "1.0", &failing);
    let said = tree.ctl(&["call", "dga", "a=b"]).failed();
    assert_eq!(said, format!("error: {failing}/apply?a=b answered 500: no\\u{{1b}}[2J idea\n"));
}

#[test]
fn expressions_are_evaluated_one_by_one() {
    let run = |words: &[&str]| maasctl(&[&["stellar"], words].concat());
    assert_eq!(run(&["-e", "x := 1 + 1", "-e", "x * 3"]).ok(), "2\n6\n");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("m.json");
    std::fs::write(&file, r#"{"url": "http://www.yahoo.co.uk/a", "n": 7}"#).unwrap();
    let of_message =
        run(&["-f", file.to_str().unwrap(), "-e", "DOMAIN_REMOVE_SUBDOMAINS(URL_TO_HOST(url))", "-e", "n - 2"]);
    assert_eq!(of_message.ok(), "yahoo.co.uk\n5\n");
    assert_eq!(run(&["-e", "?TRIM"]).ok(), "TRIM(input): the text without white space around it\n");
    assert!(run(&["-e", "%functions maas"]).ok().starts_with("MAAS_GET_ENDPOINT, MAAS_MODEL_APPLY\n"));

    let wrong = run(&["-e", "1 + 'a'", "-e", "2"]).failed();
    assert_eq!(wrong, "error: column 3: a text cannot stand beside `+`\n  1 + 'a'\n    ^\n");
    let unknown = run(&["-e", "TO_UPER('a')"]).failed();
    assert!(unknown.contains("did you mean TO_UPPER?\n  TO_UPER('a')\n  ^"), "{unknown}");
    assert!(run(&["-e", "%nothing"]).failed().contains("there is no %nothing"));
    std::fs::write(&file, "[1]").unwrap();
    assert!(run(&["-f", file.to_str().unwrap(), "-e", "1"]).failed().contains("a JSON object is expected"));
    assert!(run(&["-e", "MAAS_GET_ENDPOINT('dga')"]).failed().contains("error: no ZooKeeper is named"));

    // What is open goes on in the next line; what fails does not stop the rest.
    let lines = with_stdin(&["stellar"], "y := [1,\n 2]\n1 +\n\n// a word\nLENGTH(y)\nquit\n9\n");
    assert_eq!((lines.code, lines.stdout.as_str()), (Some(1), "[1, 2]\n2\n"), "{lines:?}");
    assert!(lines.stderr.contains("error: column 4"), "{lines:?}");
}

#[test]
fn models_are_asked_in_expressions() {
    let tree = Tree::new();
    let (url, asked) = model("200 OK", r#"{"is_malicious": "legit"}"#);
    tree.plant_instance("dga-1.0", 7, "dga", "1.0", &url);
    let apply = "MAAS_MODEL_APPLY(MAAS_GET_ENDPOINT('dga'), {'host': 'yahoo.com'})";
    assert_eq!(tree.ctl(&["stellar", "-e", apply]).ok(), "{is_malicious=legit}\n");
    assert_eq!(asked.recv().unwrap(), "GET /apply?host=yahoo.com HTTP/1.1\r\n");
    let none = tree.ctl(&["stellar", "-e", "MAAS_GET_ENDPOINT('none') == null"]);
    assert_eq!(none.clone_ok(), "true\n");
    assert_eq!(none.stderr, "warning: MAAS_GET_ENDPOINT: no live endpoint of none in default\n");
}

#[test]
fn a_shell_completes_remembers_and_ends() {
    let home = tempfile::tempdir().unwrap();
    let variables = [("HOME", home.path().to_str().unwrap())];
    let mut terminal = Terminal::run(100, 20, &["stellar"], &variables);
    terminal.see(&["[Stellar]>>>"]);
    terminal.keys("TO_UPP\t'a')\r");
    terminal.see(&["[Stellar]>>> TO_UPPER('a')"]);
    terminal.keys("x := [1,\r2]\r");
    terminal.see(&["[1, 2]"]);
    terminal.keys("1 + ,\r");
    terminal.see(&["error: column 5"]);
    terminal.keys("quit\r");
    let (status, screen) = terminal.ended();
    assert!(status.success(), "{screen}");
    let mut again = Terminal::run(100, 20, &["stellar"], &variables);
    again.see(&["[Stellar]>>>"]);
    // Up: quit, what was wrong, what was kept.
    again.keys("\u{1b}[A\u{1b}[A");
    again.see(&["[Stellar]>>> 1 + ,"]);
    again.keys("\u{15}\u{4}");
    assert!(again.ended().0.success());
}
