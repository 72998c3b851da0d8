//! Stellar, the language of Metron's parser, enrichment and triage configs: parse once, evaluate many times.
//!
//! ```
//! use maas_stellar::{Expression, Functions, Value};
//!
//! let functions = Functions::standard();
//! let host = Expression::parse("DOMAIN_REMOVE_SUBDOMAINS(URL_TO_HOST(url))")?;
//! let message = |name: &str| (name == "url").then(|| Value::from("http://www.yahoo.co.uk/a"));
//! assert_eq!(host.evaluate(&message, &functions)?, Value::from("yahoo.co.uk"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No IO: variables come from a closure, and functions that need the world (`MAAS_MODEL_APPLY`) are added by the caller
//! with [`Functions::with`]. Nothing that is written in an expression or stands in a message makes it panic, recurse without bound
//! or take more than linear time, but for what the caller's functions do.
//!
//! What differs from Metron's own evaluator is listed in `docs/stellar.md`.

mod ast;
mod error;
mod evaluate;
mod functions;
mod java;
mod lexer;
mod parser;
mod value;

pub use error::{EvaluateError, ParseError};
pub use evaluate::Call;
pub use functions::{Function, Functions};
pub use value::{Lambda, Value};

/// An expression that was read and can be evaluated any number of times, by several threads at once.
#[derive(Clone, Debug)]
pub struct Expression {
    root: ast::Node,
    variables: Vec<String>,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// It is none: where, and why.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let root = parser::parse(text)?;
        let mut variables = Vec::new();
        root.variables(&mut Vec::new(), &mut variables);
        Ok(Self { root, variables })
    }

    /// The names that it reads, in the order in which they first appear. The parameters of its lambdas are none.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Whether all functions that it calls are there, also those that an evaluation might never reach.
    ///
    /// # Errors
    /// One is not: where, and which.
    pub fn check(&self, functions: &Functions) -> Result<(), EvaluateError> {
        match self.root.first_call(&|name| functions.get(name).is_none()) {
            Some((column, name)) => Err(EvaluateError { column, reason: functions.unknown(name) }),
            None => Ok(()),
        }
    }

    /// Evaluates it. A variable that `variables` does not know is null.
    ///
    /// # Errors
    /// What cannot be computed: where, and why.
    pub fn evaluate(
        &self,
        variables: &dyn Fn(&str) -> Option<Value>,
        functions: &Functions,
    ) -> Result<Value, EvaluateError> {
        evaluate::evaluate(&self.root, variables, functions)
    }
}
