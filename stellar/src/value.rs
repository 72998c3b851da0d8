//! Values.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::ast::Node;
use crate::java;

/// A value, with Java's types, whose arithmetic the configs rely on. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// Java's `Integer`: 32 bits, and it wraps.
    Int(i32),
    /// Java's `Long`: 64 bits, and it wraps.
    Long(i64),
    /// Java's `Float`.
    Float(f32),
    /// Java's `Double`.
    Double(f64),
    /// A text.
    Text(Arc<str>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A map. Its keys are texts.
    Map(Arc<BTreeMap<Arc<str>, Value>>),
    /// A function that the expression itself gives, as in `MAP(list, x -> x + 1)`.
    Lambda(Arc<Lambda>),
}

/// A function within an expression, with the parameters that were in scope where it stands.
#[derive(Clone, Debug)]
pub struct Lambda {
    pub(crate) parameters: Vec<Arc<str>>,
    pub(crate) body: Arc<Node>,
    pub(crate) scope: Vec<(Arc<str>, Value)>,
}

impl Value {
    /// The type's name, as Java's users know it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "Boolean",
            Self::Int(_) => "Integer",
            Self::Long(_) => "Long",
            Self::Float(_) => "Float",
            Self::Double(_) => "Double",
            Self::Text(_) => "String",
            Self::List(_) => "List",
            Self::Map(_) => "Map",
            Self::Lambda(_) => "lambda",
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// As a double, if it is a number.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "as Java's doubleValue")]
    pub fn as_double(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(f64::from(*number)),
            Self::Long(number) => Some(*number as f64),
            Self::Float(number) => Some(f64::from(*number)),
            Self::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// As a whole number, if it is a number: the part behind the point is cut off, and what does not fit is the nearest
    /// that does, as by Java's `longValue`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as Java's longValue")]
    pub fn as_long(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(i64::from(*number)),
            Self::Long(number) => Some(*number),
            Self::Float(number) => Some(*number as i64),
            Self::Double(number) => Some(*number as i64),
            _ => None,
        }
    }

    /// A list of values.
    #[must_use]
    pub fn list(values: Vec<Value>) -> Self {
        Self::List(Arc::new(values))
    }

    /// As JSON: a number that JSON has no word for (`NaN`, infinities) and a lambda are null.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null | Self::Lambda(_) => serde_json::Value::Null,
            Self::Bool(truth) => (*truth).into(),
            Self::Int(number) => (*number).into(),
            Self::Long(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Double(number) => (*number).into(),
            Self::Text(text) => (&**text).into(),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Map(entries) => serde_json::Value::Object(
                entries.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect(),
            ),
        }
    }
}

impl PartialEq for Value {
    /// As `==` in an expression: numbers of different types are compared by value; `NaN` equals nothing.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Lambda(a), Self::Lambda(b)) => Arc::ptr_eq(a, b),
            _ => java::compare(self, other) == Some(Some(std::cmp::Ordering::Equal)),
        }
    }
}

impl fmt::Display for Value {
    /// As Java prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Long(number) => write!(f, "{number}"),
            Self::Float(number) => f.write_str(&java::decimal(format!("{number:e}"))),
            Self::Double(number) => f.write_str(&java::decimal(format!("{number:e}"))),
            Self::Text(text) => f.write_str(text),
            Self::List(values) => {
                f.write_str("[")?;
                for (number, value) in values.iter().enumerate() {
                    let comma = if number > 0 { ", " } else { "" };
                    write!(f, "{comma}{value}")?;
                }
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (number, (key, value)) in entries.iter().enumerate() {
                    let comma = if number > 0 { ", " } else { "" };
                    write!(f, "{comma}{key}={value}")?;
                }
                f.write_str("}")
            }
            Self::Lambda(lambda) => write!(f, "lambda of {} parameters", lambda.parameters.len()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Long(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<&serde_json::Value> for Value {
    /// As Metron's JSON reader: a whole number is an `Integer` where it fits, else a `Long`, else a `Double`.
    fn from(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(truth) => Self::Bool(*truth),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(long) => i32::try_from(long).map_or(Self::Long(long), Self::Int),
                None => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => text.as_str().into(),
            serde_json::Value::Array(values) => Self::list(values.iter().map(Self::from).collect()),
            serde_json::Value::Object(entries) => {
                Self::Map(Arc::new(entries.iter().map(|(key, value)| (key.as_str().into(), value.into())).collect()))
            }
        }
    }
}
