//! What can be wrong, and where.

/// A text that is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
pub struct ParseError {
    /// The character at which it goes wrong, from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub reason: String,
}

/// An expression that has no value for these variables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
pub struct EvaluateError {
    /// The character at which the part starts that has no value, from 1.
    pub column: usize,
    /// Why it has none.
    pub reason: String,
}
