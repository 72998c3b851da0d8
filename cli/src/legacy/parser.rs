//! Command lines as commons-cli's `PosixParser` (1.2) takes them: `-zq node1`, `--zk_quorum=node1`, `-ndga`, `-n -1`.
//!
//! clap cannot read these (several letters after one dash), so here is the small part that is needed. Where the
//! original has a surprise, it is kept: `-ni5` is `-n i5`, and of an option given twice the first value counts.

use std::collections::VecDeque;

/// Whether an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// A flag.
    None,
    /// The next word, or the text after `=`.
    Required,
    /// Only the text after `=`; ours, as commons-cli would swallow the next word.
    Attached,
}

/// One option of a verb.
#[derive(Debug, Clone, Copy)]
pub(super) struct OptionSpec {
    /// Name after one dash, several letters allowed.
    pub short: &'static str,
    /// Name after two dashes.
    pub long: &'static str,
    /// Whether it takes a value.
    pub value: Value,
}

/// Why a command line was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// No option has this name.
    #[error("unrecognized option: {0}")]
    Unrecognized(String),
    /// The option's value is not there.
    #[error("missing argument for option: {0}")]
    MissingArgument(&'static str),
    /// Options without which the verb means nothing.
    #[error("missing required option{}: {}", if .0.len() == 1 { "" } else { "s" }, .0.join(", "))]
    MissingRequired(Vec<&'static str>),
    /// A word that belongs to no option; the original dropped it, so that `-n my model` named `my`.
    #[error("unexpected argument {0:?}: quote a value that contains spaces")]
    Operand(String),
}

/// What a command line said: pairs of the option's short name and its value, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    given: Vec<(&'static str, Option<String>)>,
}

impl Parsed {
    /// Whether the option stands on the line.
    pub(super) fn has(&self, short: &str) -> bool {
        self.given.iter().any(|(name, _)| *name == short)
    }

    /// The option's first value.
    pub(super) fn value(&self, short: &str) -> Option<&str> {
        self.given.iter().find(|(name, _)| *name == short)?.1.as_deref()
    }

    /// All values of an option that may be repeated.
    pub(super) fn values<'a>(&'a self, short: &'a str) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(move |(name, _)| *name == short).filter_map(|(_, value)| value.as_deref())
    }

    /// Fails naming every one of `required` that is not there.
    pub(super) fn require(&self, required: &[&'static str]) -> Result<(), ParseError> {
        let missing: Vec<_> = required.iter().copied().filter(|short| !self.has(short)).collect();
        if missing.is_empty() { Ok(()) } else { Err(ParseError::MissingRequired(missing)) }
    }
}

/// Reads `words`, which do not include the program's name.
pub(super) fn parse(options: &[OptionSpec], words: &[String]) -> Result<Parsed, ParseError> {
    let mut tokens = flatten(options, words);
    let mut parsed = Parsed::default();
    while let Some(token) = tokens.pop_front() {
        match token {
            Token::Option(option, attached) => {
                let value = match (option.value, attached) {
                    (Value::None, _) => None,
                    (Value::Attached, attached) => attached,
                    (Value::Required, Some(value)) => Some(value),
                    (Value::Required, None) => match tokens.pop_front() {
                        Some(Token::Word(word)) => Some(word),
                        _ => return Err(ParseError::MissingArgument(option.short)),
                    },
                };
                parsed.given.push((option.short, value.map(|value| strip_quotes(&value).to_owned())));
            }
            Token::Word(word) if word.len() > 1 && word.starts_with('-') => return Err(ParseError::Unrecognized(word)),
            Token::Word(word) => return Err(ParseError::Operand(word)),
        }
    }
    Ok(parsed)
}

enum Token<'a> {
    Option(&'a OptionSpec, Option<String>),
    Word(String),
}

/// One dash or two, short name or long: commons-cli looks in both tables.
fn find<'a>(options: &'a [OptionSpec], word: &str) -> Option<&'a OptionSpec> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    options.iter().find(|option| option.short == name || option.long == name)
}

fn flatten<'a>(options: &'a [OptionSpec], words: &[String]) -> VecDeque<Token<'a>> {
    let mut tokens = VecDeque::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            tokens.extend(words.by_ref().map(|word| Token::Word(word.clone())));
        } else if let Some(option) = find(options, word) {
            tokens.push_back(Token::Option(option, None));
        } else if word.starts_with("--") {
            match word.split_once('=').and_then(|(name, value)| Some((find(options, name)?, value))) {
                Some((option, value)) => tokens.push_back(Token::Option(option, Some(value.to_owned()))),
                None => tokens.push_back(Token::Word(word.clone())),
            }
        } else if word.starts_with('-') && word.chars().count() > 2 {
            burst(options, word, &mut tokens);
        } else {
            tokens.push_back(Token::Word(word.clone()));
        }
    }
    tokens
}

/// `-ndga` is `-n dga`; letters without a value may be joined. The first letter that is no option ends it, and the word stays whole.
fn burst<'a>(options: &'a [OptionSpec], word: &str, tokens: &mut VecDeque<Token<'a>>) {
    for (at, letter) in word.char_indices().skip(1) {
        let mut name = [0; 4];
        let Some(option) = options.iter().find(|option| option.short == letter.encode_utf8(&mut name)) else {
            tokens.push_back(Token::Word(word.to_owned()));
            return;
        };
        let rest = word.get(at + letter.len_utf8()..).unwrap_or_default();
        if option.value == Value::Required && !rest.is_empty() {
            tokens.push_back(Token::Option(option, Some(rest.to_owned())));
            return;
        }
        tokens.push_back(Token::Option(option, None));
    }
}

fn strip_quotes(value: &str) -> &str {
    let value = value.strip_prefix('"').unwrap_or(value);
    value.strip_suffix('"').unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPTIONS: &[OptionSpec] = &[
        OptionSpec { short: "h", long: "help", value: Value::None },
        OptionSpec { short: "n", long: "name", value: Value::Required },
        OptionSpec { short: "ni", long: "num_instances", value: Value::Required },
        OptionSpec { short: "zq", long: "zk_quorum", value: Value::Required },
        OptionSpec { short: "wait", long: "wait", value: Value::Attached },
    ];

    fn check(line: &str, expect: &[(&str, Option<&str>)]) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let parsed = parse(OPTIONS, &words).unwrap();
        let given: Vec<_> = parsed.given.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        assert_eq!(given, expect, "{line}");
    }

    fn refuse(line: &str, expect: &str) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(parse(OPTIONS, &words).unwrap_err().to_string(), expect, "{line}");
    }

    #[test]
    fn several_letters_after_one_dash_are_one_option() {
        check("-zq node1:2181 -n dga -ni 3", &[("zq", Some("node1:2181")), ("n", Some("dga")), ("ni", Some("3"))]);
    }

    #[test]
    fn long_names_take_the_next_word_or_the_text_after_the_equals_sign() {
        check("--zk_quorum a:1,b:2 --name=d=g", &[("zq", Some("a:1,b:2")), ("n", Some("d=g"))]);
        check("-zk_quorum a --zq b", &[("zq", Some("a")), ("zq", Some("b"))]);
    }

    #[test]
    fn a_value_may_start_with_a_dash_but_an_option_is_no_value() {
        check("-ni -1", &[("ni", Some("-1"))]);
        check("-ni -12", &[("ni", Some("-12"))]);
        refuse("-ni -n dga", "missing argument for option: ni");
        refuse("-zq", "missing argument for option: zq");
    }

    #[test]
    fn letters_are_split_as_the_original_splits_them() {
        check("-ndga", &[("n", Some("dga"))]);
        check("-ni5", &[("n", Some("i5"))]);
        check("-hndga", &[("h", None), ("n", Some("dga"))]);
        refuse("-zqnode1", "unrecognized option: -zqnode1");
    }

    #[test]
    fn an_attached_value_never_takes_the_next_word() {
        check("--wait -n dga", &[("wait", None), ("n", Some("dga"))]);
        check("--wait=30", &[("wait", Some("30"))]);
    }

    #[test]
    fn what_belongs_to_no_option_is_refused() {
        refuse("--nome dga", "unrecognized option: --nome");
        refuse("-n my model", "unexpected argument \"model\": quote a value that contains spaces");
        refuse("-- -n", "unrecognized option: -n");
    }

    #[test]
    fn outer_quotes_of_a_value_are_dropped() {
        check("-n \"dga\"", &[("n", Some("dga"))]);
    }

    #[test]
    fn missing_options_are_named_together() {
        let parsed = parse(OPTIONS, &[]).unwrap();
        assert_eq!(parsed.require(&["zq"]).unwrap_err().to_string(), "missing required option: zq");
        assert_eq!(parsed.require(&["zq", "n"]).unwrap_err().to_string(), "missing required options: zq, n");
    }

    proptest! {
        #[test]
        fn any_words_are_read_or_refused_without_panic(words in proptest::collection::vec("-{0,2}[hnizqwaté=\"]{0,6}", 0..6)) {
            let _ = parse(OPTIONS, &words);
        }
    }
}
