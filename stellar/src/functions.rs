//! The functions that an expression may call.

mod collections;
mod domains;
mod help;
mod numbers;
mod patterns;
mod texts;
mod urls;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::evaluate::Call;
use crate::value::{Lambda, Value};

/// A function: its arguments in, its value out, or why it has none.
pub type Function = dyn Fn(&Call<'_>, &[Value]) -> Result<Value, String> + Send + Sync;

/// Functions by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Functions(HashMap<Arc<str>, Arc<Function>>);

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Functions {
    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Those of Metron that need nothing but their arguments; `docs/stellar.md` lists them.
    #[must_use]
    pub fn standard() -> Self {
        let mut functions = Self::none();
        for group in [collections::ALL, domains::ALL, numbers::ALL, patterns::ALL, texts::ALL, urls::ALL] {
            for (name, function) in group {
                functions.0.insert((*name).into(), Arc::new(*function));
            }
        }
        functions
    }

    /// These and one more, in the place of one of that name.
    #[must_use]
    pub fn with(
        mut self,
        name: &str,
        function: impl Fn(&Call<'_>, &[Value]) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(name.into(), Arc::new(function));
        self
    }

    /// Their names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.keys().map(AsRef::as_ref).collect();
        names.sort_unstable();
        names
    }

    /// What a function of [`Functions::standard`] is for, in a line: `TRIM(input): the text without white space around it`.
    #[must_use]
    pub fn help(name: &str) -> Option<String> {
        let (name, arguments, gives) = help::ALL.iter().find(|(known, ..)| *known == name)?;
        Some(format!("{name}({arguments}): {gives}"))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Function> {
        self.0.get(name).map(AsRef::as_ref)
    }

    pub(crate) fn unknown(&self, name: &str) -> String {
        let close = |known: &&str| (strsim::damerau_levenshtein(known, &name.to_ascii_uppercase()), known.len());
        match self.names().into_iter().min_by_key(close).filter(|known| close(known).0 <= 2) {
            Some(known) => format!("there is no function {name}: did you mean {known}?"),
            None => format!("there is no function {name}"),
        }
    }
}

type Plain = fn(&Call<'_>, &[Value]) -> Result<Value, String>;

/// Functions and their names.
type Group = &'static [(&'static str, Plain)];

/// The argument at a place, which must be given.
fn given<'a>(arguments: &'a [Value], place: usize, what: &str) -> Result<&'a Value, String> {
    arguments.get(place).ok_or_else(|| format!("argument {} is missing: {what}", place + 1))
}

/// A text, or none for null.
fn text<'a>(arguments: &'a [Value], place: usize, what: &str) -> Result<Option<&'a str>, String> {
    match given(arguments, place, what)? {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text)),
        other => Err(format!("{what} must be a String, not {}", other.kind())),
    }
}

/// Anything as text, or none for null.
fn printed(arguments: &[Value], place: usize, what: &str) -> Result<Option<String>, String> {
    let value = given(arguments, place, what)?;
    Ok((!value.is_null()).then(|| value.to_string()))
}

/// A place in a text or list, or a length; none for null.
fn count(arguments: &[Value], place: usize, what: &str) -> Result<Option<usize>, String> {
    match given(arguments, place, what)? {
        Value::Null => Ok(None),
        value => match value.as_long().map(usize::try_from) {
            Some(Ok(count)) => Ok(Some(count)),
            _ => Err(format!("{what} must be a number from 0 on, not {value}")),
        },
    }
}

fn lambda(arguments: &[Value], place: usize) -> Result<Option<&Lambda>, String> {
    match given(arguments, place, "a lambda")? {
        Value::Lambda(lambda) => Ok(Some(lambda)),
        Value::Null => Ok(None),
        other => Err(format!("a lambda such as `x -> x + 1` is expected, not {}", other.kind())),
    }
}
