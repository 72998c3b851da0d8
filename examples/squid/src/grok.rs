//! Grok: named patterns made of others, compiled into one regular expression whose matching takes linear time. Pure.
//!
//! As Metron's library has it: `%{NAME:field}` is a field, `%{NAME}` one under the pattern's own name, `UNWANTED` none; a
//! captured whole number is a number, and quotes around a captured text are taken off. Beyond it, a whole number of more
//! than 32 bits is a number too, and a part of the pattern that took no part in the match gives no field instead of a null.

use std::collections::BTreeMap;

use maas_stellar::Value;
use regex::{Regex, RegexBuilder};

/// Longest regular expression that a pattern may become, in bytes.
const LONGEST: usize = 64 * 1024;
/// Most memory that its compiled form may take, in bytes.
const COMPILED: usize = 10 * 1024 * 1024;
/// How deep patterns may be made of patterns.
const DEEPEST: usize = 64;
/// The field that is none.
const UNWANTED: &str = "UNWANTED";

/// Why patterns cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrokError {
    /// A line without a definition.
    #[error("line {line}: {text:?} is no pattern: write NAME, a space and what it stands for")]
    Line {
        /// From 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// A name that nothing defines.
    #[error("there is no pattern {name}{}", within(.user))]
    Missing {
        /// What is missing.
        name: String,
        /// Who uses it; none: the label that the config names.
        user: Option<String>,
    },
    /// A pattern that is made of itself.
    #[error("the pattern is made of itself: {}", .chain.join(" → "))]
    Cyclic {
        /// How, from a name to the same name.
        chain: Vec<String>,
    },
    /// It explodes.
    #[error("the pattern {label} is too large: {reason}")]
    TooLarge {
        /// What was compiled.
        label: String,
        /// Which bound it passes.
        reason: String,
    },
    /// A use that is none.
    #[error(
        "{text:?} in the pattern {name} is no use of a pattern: write %{{NAME}}, %{{NAME:field}} or %{{NAME:field:type}} with int, long, float, double or string"
    )]
    Use {
        /// Where.
        name: String,
        /// What stands there.
        text: String,
    },
    /// The regular expression is none.
    #[error("the pattern {label} is no regular expression: {reason}")]
    Expression {
        /// What was compiled.
        label: String,
        /// Why.
        reason: String,
    },
}

fn within(user: &Option<String>) -> String {
    user.as_ref().map(|user| format!(", which {user} is made of")).unwrap_or_default()
}

/// Definitions by name.
pub type Patterns = BTreeMap<String, String>;

/// Adds the definitions of a file; a name that is already there gets the new one. Empty lines and those that begin with
/// `#` are none.
///
/// # Errors
/// A line that is none.
pub fn read(text: &str, patterns: &mut Patterns) -> Result<(), GrokError> {
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(char::is_whitespace) {
            Some((name, definition)) if !name.is_empty() && !definition.trim().is_empty() => {
                patterns.insert(name.to_owned(), definition.trim().to_owned());
            }
            _ => return Err(GrokError::Line { line: number + 1, text: line.chars().take(80).collect() }),
        }
    }
    Ok(())
}

/// How a captured text becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A whole number if it is one.
    Guessed,
    Text,
    Whole,
    Decimal,
}

#[derive(Clone, Debug)]
struct Field {
    name: String,
    kind: Kind,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Grok {
    regex: Regex,
    /// By the number in the group's name.
    fields: Vec<(usize, Field)>,
}

impl Grok {
    /// Compiles the pattern of a label.
    ///
    /// # Errors
    /// What is wrong with it, and in which pattern.
    pub fn compile(patterns: &Patterns, label: &str) -> Result<Self, GrokError> {
        let mut writer = Writer { patterns, label, text: String::new(), fields: Vec::new(), chain: Vec::new() };
        writer.pattern(label)?;
        let (text, fields) = (writer.text, writer.fields);
        let regex = RegexBuilder::new(&text).size_limit(COMPILED).build().map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => GrokError::TooLarge {
                label: label.to_owned(),
                reason: format!("compiled it takes more than {limit} bytes; repeat less"),
            },
            other => {
                // The last line says what is wrong; the ones before show the whole expression.
                let text = other.to_string();
                let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                GrokError::Expression { label: label.to_owned(), reason }
            }
        })?;
        let place = |name: &str| regex.capture_names().position(|group| group == Some(name));
        let fields = fields
            .into_iter()
            .enumerate()
            .filter_map(|(number, field)| Some((place(&group(number))?, field)))
            .collect();
        Ok(Self { regex, fields })
    }

    /// The fields that a match may give, the label's own left out.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(_, field)| field.name.as_str())
    }

    /// The fields of the first place in the text that matches; none if none does. Of captures with the same name, the first
    /// that took part.
    #[must_use]
    pub fn matches(&self, text: &str) -> Option<BTreeMap<String, Value>> {
        let captures = self.regex.captures(text)?;
        let mut fields = BTreeMap::new();
        for (place, field) in &self.fields {
            if let Some(found) = captures.get(*place) {
                fields.entry(field.name.clone()).or_insert_with(|| value(field.kind, found.as_str()));
            }
        }
        Some(fields)
    }
}

fn group(number: usize) -> String {
    format!("grok{number}")
}

fn value(kind: Kind, text: &str) -> Value {
    let quoted = |mark: char| text.len() > 1 && text.starts_with(mark) && text.ends_with(mark);
    let bare = if quoted('"') || quoted('\'') { text.get(1..text.len() - 1).unwrap_or(text) } else { text };
    match kind {
        Kind::Text => bare.into(),
        Kind::Guessed | Kind::Whole => match (bare.parse::<i32>(), bare.parse::<i64>()) {
            (Ok(int), _) => int.into(),
            (_, Ok(long)) => long.into(),
            _ => bare.into(),
        },
        Kind::Decimal => bare.parse::<f64>().map_or_else(|_| bare.into(), Value::from),
    }
}

struct Writer<'a> {
    patterns: &'a Patterns,
    label: &'a str,
    text: String,
    fields: Vec<Field>,
    /// The patterns that are being written, the outermost first.
    chain: Vec<String>,
}

impl Writer<'_> {
    fn pattern(&mut self, name: &str) -> Result<(), GrokError> {
        if self.chain.iter().any(|known| known == name) {
            let mut chain: Vec<String> = self.chain.iter().skip_while(|known| *known != name).cloned().collect();
            chain.push(name.to_owned());
            return Err(GrokError::Cyclic { chain });
        }
        let Some(definition) = self.patterns.get(name) else {
            return Err(GrokError::Missing { name: name.to_owned(), user: self.chain.last().cloned() });
        };
        if self.chain.len() >= DEEPEST {
            return Err(self.too_large(format!("patterns are made of patterns more than {DEEPEST} deep")));
        }
        self.chain.push(name.to_owned());
        let mut rest = definition.as_str();
        while let Some((before, after)) = rest.split_once("%{") {
            let bad = |text: &str| GrokError::Use { name: name.to_owned(), text: format!("%{{{text}") };
            self.push(before)?;
            let (inside, behind) =
                after.split_once('}').ok_or_else(|| bad(&after.chars().take(40).collect::<String>()))?;
            let mut parts = inside.split(':');
            let (part, field, kind) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
            let kind = match kind {
                None => Kind::Guessed,
                Some("string") => Kind::Text,
                Some("int" | "integer" | "long") => Kind::Whole,
                Some("float" | "double") => Kind::Decimal,
                Some(_) => return Err(bad(&format!("{inside}}}"))),
            };
            if part.is_empty() || field == Some("") || parts.next().is_some() {
                return Err(bad(&format!("{inside}}}")));
            }
            match field.unwrap_or(part) {
                UNWANTED => self.push("(?:")?,
                name => {
                    let open = format!("(?P<{}>", group(self.fields.len()));
                    self.fields.push(Field { name: name.to_owned(), kind });
                    self.push(&open)?;
                }
            }
            self.pattern(part)?;
            self.push(")")?;
            rest = behind;
        }
        self.push(rest)?;
        self.chain.pop();
        Ok(())
    }

    fn push(&mut self, text: &str) -> Result<(), GrokError> {
        if self.text.len() + text.len() > LONGEST {
            return Err(self.too_large(format!("written out it has more than {LONGEST} bytes")));
        }
        self.text.push_str(text);
        Ok(())
    }

    fn too_large(&self, reason: String) -> GrokError {
        GrokError::TooLarge { label: self.label.to_owned(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shipped;

    fn patterns(own: &str) -> Patterns {
        let mut patterns = Patterns::new();
        read(shipped::pattern("/patterns/common").unwrap(), &mut patterns).unwrap();
        read(own, &mut patterns).unwrap();
        patterns
    }

    fn squid() -> Grok {
        Grok::compile(&patterns(shipped::pattern("/patterns/squid").unwrap()), "SQUID_DELIMITED").unwrap()
    }

    fn show(grok: &Grok, line: &str) -> String {
        let fields = grok.matches(line).expect(line);
        fields.iter().map(|(name, value)| format!("{name}={value}:{} ", value.kind())).collect()
    }

    #[test]
    fn squids_lines_give_their_fields() {
        let line =
            "1795512257.349      1 127.0.0.1 TCP_MISS/200 645 GET http://cnn.com/ - FIRSTUP_PARENT/127.0.0.1 text/html";
        assert_eq!(
            show(&squid(), line),
            "action=TCP_MISS:String bytes=645:Integer code=200:Integer elapsed=1:Integer \
             ip_dst_addr=127.0.0.1:String ip_src_addr=127.0.0.1:String method=GET:String timestamp=1795512257.349:String \
             url=http://cnn.com/:String "
        );
        let denied =
            "1461576382.642    161 10.0.0.255 TCP_DENIED/403 5000000000 CONNECT [::1]:443 - HIER_NONE/- text/html";
        assert_eq!(
            show(&squid(), denied),
            "action=TCP_DENIED:String bytes=5000000000:Long code=403:Integer elapsed=161:Integer \
             ip_src_addr=10.0.0.255:String method=CONNECT:String timestamp=1461576382.642:String url=[::1]:443:String "
        );
        assert!(squid().matches("not a line of squid").is_none());
        assert!(squid().matches("").is_none());
    }

    #[test]
    fn addresses_are_whole_ones() {
        let grok = Grok::compile(&patterns("A ^%{IP:ip}$"), "A").unwrap();
        for good in
            ["0.0.0.0", "255.255.255.255", "::", "::1", "fe80::1%eth0", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "a:b::c"]
        {
            assert_eq!(show(&grok, good), format!("ip={good}:String "));
        }
        for bad in ["256.1.1.1", "1.2.3", "1.2.3.4.5", "1.2.3.999", ":", "1:2", "12345::", "1::2::3"] {
            assert!(grok.matches(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn every_shipped_pattern_compiles() {
        let all = patterns(shipped::pattern("/patterns/squid").unwrap());
        for name in all.keys() {
            if let Err(error) = Grok::compile(&all, name) {
                panic!("{name}: {error}");
            }
        }
        let date = Grok::compile(&all, "TIMESTAMP_ISO8601").unwrap();
        for good in ["2026-11-24T23:05:01.250Z", "2026-11-24 23:05", "2026-1-4T23:05:01+01:00"] {
            assert!(date.matches(good).is_some(), "{good}");
        }
    }

    #[test]
    fn a_field_is_of_the_type_that_is_asked_for_and_unnamed_ones_have_the_patterns_name() {
        let grok = Grok::compile(&patterns("A %{INT:a:string} %{NUMBER:b:double} %{WORD} %{QS:q}"), "A").unwrap();
        assert_eq!(show(&grok, "007 1.50 x 'it is'"), "WORD=x:String a=007:String b=1.5:Double q=it is:String ");
        let either = Grok::compile(&patterns("A (?:a=%{INT:x}|b=%{INT:x})"), "A").unwrap();
        assert_eq!(show(&either, "b=2"), "x=2:Integer ");
    }

    #[test]
    fn what_is_wrong_with_a_pattern_is_said_by_name() {
        let error = |own: &str| Grok::compile(&patterns(own), "A").unwrap_err().to_string();
        assert_eq!(error("B x"), "there is no pattern A");
        assert_eq!(error("A %{NUMBRE:n}"), "there is no pattern NUMBRE, which A is made of");
        assert_eq!(error("A %{B}\nB x%{C}\nC %{B}"), "the pattern is made of itself: B → C → B");
        assert_eq!(error("A ("), "the pattern A is no regular expression: unclosed group");
        assert!(error("A (?<!x)y").contains("look-around"), "{}", error("A (?<!x)y"));
        assert!(error("A %{INT:x:date}").starts_with("\"%{INT:x:date}\" in the pattern A is no use of a pattern"));
        assert!(error("A %{INT").starts_with("\"%{INT\" in"));
        assert_eq!(read("A", &mut Patterns::new()).unwrap_err().to_string().split(':').next(), Some("line 1"));
    }

    #[test]
    fn a_pattern_that_explodes_is_refused_before_it_takes_memory() {
        let mut own = String::from("A0 x\n");
        for level in 1..40 {
            own += &format!("A{level} %{{A{}:UNWANTED}}%{{A{}:UNWANTED}}\n", level - 1, level - 1);
        }
        let error = |own: &str, label: &str| Grok::compile(&patterns(own), label).unwrap_err().to_string();
        assert_eq!(error(&own, "A39"), "the pattern A39 is too large: written out it has more than 65536 bytes");
        assert!(
            error("A (?:(?:x{1000}){1000}){1000}", "A").contains("too large"),
            "{}",
            error("A (?:(?:x{1000}){1000}){1000}", "A")
        );
        let deep: String = (1..100).map(|n| format!("A{n} %{{A{}:UNWANTED}}\n", n - 1)).collect();
        assert!(error(&format!("A0 x\n{deep}"), "A99").contains("64 deep"));
        // Exponential in engines that go back and try again.
        let grok = Grok::compile(&patterns("A ^(?:a+)+$"), "A").unwrap();
        assert!(grok.matches(&format!("{}b", "a".repeat(50_000))).is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}", definition in "\\PC{0,40}") {
            let _ = squid().matches(&text);
            let mut patterns = patterns("A x");
            patterns.insert("A".to_owned(), definition);
            let _ = Grok::compile(&patterns, "A").map(|grok| grok.matches(&text));
            let _ = read(&text, &mut Patterns::new());
        }
    }
}
