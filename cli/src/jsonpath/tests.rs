use proptest::prelude::*;
use serde_json::json;

use super::*;

fn whole() -> Value {
    json!({
        "kind": "List",
        "items": [
            {"metadata": {"name": "a", "annotations": {"maas.io/x": "1", "k=v": "2"}}, "ready": 1,
             "conditions": [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "False"}]},
            {"metadata": {"name": "b"}, "ready": 3, "none": null, "conditions": []},
            {"metadata": {"name": "c"}, "ready": 2.5},
        ],
    })
}

fn render(template: &str) -> String {
    Template::parse(template).unwrap().render(&whole()).unwrap()
}

fn refused(template: &str) -> String {
    Template::parse(template).unwrap_err().to_string()
}

#[test]
fn templates_print_as_kubectls_do() {
    for (template, expect) in [
        ("{.kind}", "List"),
        ("{ .kind }", "List"),
        ("{$.kind}{@.kind}", "ListList"),
        (".kind", "List"),
        ("{.items[*].metadata.name}", "a b c"),
        ("{.items[*]['metadata'].name}", "a b c"),
        ("{.items[0].metadata.name}", "a"),
        ("{.items[-1].metadata.name}", "c"),
        ("{.items[0,2].metadata.name}", "a c"),
        ("{.items[0:2].metadata.name}", "a b"),
        ("{.items[-2:].metadata.name}", "b c"),
        ("{.items[::2].metadata.name}", "a c"),
        ("{.items[0].metadata['name','annotations'].x}", ""),
        ("{.items[*]['ready','none']}", "1 3  2.5"),
        ("{..name}", "a b c"),
        (r"{.items[0].metadata.annotations.maas\.io/x}", "1"),
        ("{.items[0].metadata.annotations['k=v']}", "2"),
        ("{.items[0].metadata.annotations}", r#"{"k=v":"2","maas.io/x":"1"}"#),
        ("{.missing.deeper}", ""),
        (r#"{range .items[*]}{.metadata.name}{"\t"}{.ready}{"\n"}{end}"#, "a\t1\nb\t3\nc\t2.5\n"),
        (
            "{range .items[*]}[{.metadata.name}{range .conditions[*]} {.type}{end}]{end}",
            "[a Available Progressing][b][c]",
        ),
        ("{range .items[*]}{$.kind}{end}", "ListListList"),
        (r#"{.items[?(@.metadata.name=="b")].ready}"#, "3"),
        ("{.items[?(@.metadata.name!='b')].metadata.name}", "a c"),
        ("{.items[?(@.ready>1)].metadata.name}", "b c"),
        ("{.items[?(@.ready >= 2.5)].metadata.name}", "b c"),
        ("{.items[?(@.none)].metadata.name}", "b"),
        ("{.items[?(@.missing==1)].metadata.name}", ""),
        (r#"{.items[*].conditions[?(@.type=="Available")].status}"#, "True"),
        (r#"{.items[?(@.conditions[?(@.status=="False")])].metadata.name}"#, "a"),
        ("name: {.kind}!", "name: List!"),
        (r#"{'it\'s'}{"\""}"#, "it's\""),
        ("{.items[9:].x}{.items[2:1].x}", ""),
    ] {
        assert_eq!(render(template), expect, "{template}");
    }
}

#[test]
fn a_member_that_is_not_there_is_an_error_as_in_kubectl() {
    let error = Template::parse("{.items[3]}").unwrap().render(&whole()).unwrap_err();
    assert_eq!(error.to_string(), "array index out of bounds: index 3, length 3");
    let error = Template::parse("{.items[-4]}").unwrap().render(&whole()).unwrap_err();
    assert_eq!(error.to_string(), "array index out of bounds: index -4, length 3");
}

#[test]
fn what_cannot_be_read_is_refused_at_its_column() {
    for (template, expect) in [
        ("{.kind", "column 7: } is expected"),
        ("{}", "column 2: a path, a text in quotes, range or end is expected"),
        ("{range .items[*]}", "{end} is missing"),
        ("{end}", "not in range"),
        ("{kind}", "column 2: a path begins with"),
        ("{.items[}", "column 9: an index"),
        ("{.items[?(@.a =~ 'x')]}", "regular expressions are not supported"),
        ("{.items[?(@.a=='x' && @.b)]}", "&& and || are not supported"),
        ("{.items[?(@.a||@.b)]}", "&& and || are not supported"),
        ("{.items[?(@.a==x)]}", "column 16: a path such as @.type"),
        ("{.items[99999999999999999999]}", "the number is too large"),
        ("{.items[::0]}", "at least 1"),
        ("{.a.}", "column 5: a field's name"),
        ("{'a}", "column 2: the text has no closing quote"),
        (r"{'\q'}", "are escapes"),
        ("{.a=b}", "column 4: } is expected"),
        ("a b", "more follows"),
    ] {
        let message = refused(template);
        assert!(message.contains(expect), "{template}: {message}");
    }
}

#[test]
fn depth_is_bounded() {
    assert!(refused(&"{range .a}".repeat(1_000)).contains("ranges within one another"));
    assert!(refused(&format!("{{.a{}", "[?(@".repeat(1_000))).contains("filters within one another"));
    for deep in ["{range .a}", "[?(@", ".a", "{", "[", "..", "(", "'"] {
        for template in [deep.repeat(10_000), format!("{{.a{}", deep.repeat(10_000))] {
            assert!(Template::parse(&template).is_err(), "{deep}");
            assert!(Path::parse(&template).is_err(), "{deep}");
        }
    }
}

#[test]
fn a_template_that_multiplies_is_stopped() {
    let wide = Value::Array(vec![json!(1); 1_000]);
    let template = format!("{}{}", "{range $[*]}".repeat(8), "{end}".repeat(8));
    assert_eq!(Template::parse(&template).unwrap().render(&wide), Err(EvalError::TooMany));
}

#[test]
fn a_path_needs_neither_braces_nor_its_dot() {
    for text in [
        ".metadata.name",
        "metadata.name",
        "{.metadata.name}",
        "{metadata.name}",
        "$.metadata.name",
        " .metadata.name ",
    ] {
        let path = Path::parse(text).unwrap();
        assert_eq!(path.values(&whole()["items"][1]).unwrap(), [&json!("b")], "{text}");
    }
    assert!(Path::parse("").is_err() && Path::parse("{.a}{.b}").is_err() && Path::parse(".a .b").is_err());
}

#[test]
fn what_follows_a_path_is_given_back() {
    for (text, rest) in [
        ("{.a.b}=3", "=3"),
        ("{.a}", ""),
        (".a.b=x=y", "=x=y"),
        (r#"{.c[?(@.type=="A")].status}=True"#, "=True"),
        (r#".c[?(@.type=="A")].status=True"#, "=True"),
    ] {
        assert_eq!(Path::parse_prefix(text).unwrap().1, rest, "{text}");
    }
}

/// Values of every shape, as deep as objects of ours are and deeper.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ab]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ab]{1,2}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "range ", "end", ".a", ".b", "..", "[", "]", "*", "0", "-1", ":", ",", "?(", ")", "@", "$", "==", "<",
            "'a'", "\"", "\\", " ", "=", "ä", "&&", "1e9",
        ]), 0..14),
        value in values(),
    ) {
        let text = pieces.concat();
        if let Ok(template) = Template::parse(&text) {
            let _ = (template.render(&value), template.values(&value));
        }
        if let Ok((path, rest)) = Path::parse_prefix(&text) {
            let _ = path.values(&value);
            prop_assert!(text.ends_with(rest));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in ".{0,40}") {
        let _ = (Template::parse(&text), Path::parse(&text));
    }

    #[test]
    fn a_key_in_quotes_finds_just_its_member(map in prop::collection::btree_map("[a-z.=/ -]{1,6}", 0..9, 1..5)) {
        let value = json!(map);
        for (key, number) in &map {
            let path = Path::parse(&format!("['{key}']")).unwrap();
            prop_assert_eq!(path.values(&value).unwrap(), [&json!(number)]);
            let escaped: String = key.chars().flat_map(|c| ['\\', c]).collect();
            let path = Path::parse(&format!(".{escaped}")).unwrap();
            prop_assert_eq!(path.values(&value).unwrap(), [&json!(number)]);
        }
    }

    #[test]
    fn descending_finds_every_member_once(value in values()) {
        fn count(value: &Value) -> usize {
            1 + members_of(value).iter().map(|member| count(member)).sum::<usize>()
        }
        fn members_of(value: &Value) -> Vec<&Value> {
            match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            }
        }
        let path = Path::parse("..*").unwrap();
        prop_assert_eq!(path.values(&value).unwrap().len(), count(&value) - 1);
    }
}
