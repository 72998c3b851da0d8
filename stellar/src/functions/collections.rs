//! Lists and maps.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Group, count, given, lambda};
use crate::evaluate::Call;
use crate::java;
use crate::value::Value;

pub(super) const ALL: Group = &[
    ("MAP_GET", |_, arguments| {
        let default = arguments.get(2).cloned().unwrap_or_default();
        let found = match (given(arguments, 0, "key")?, given(arguments, 1, "map")?) {
            (Value::Null, _) | (_, Value::Null) => Value::Null,
            (key, Value::Map(entries)) => entries.get(key.to_string().as_str()).cloned().unwrap_or_default(),
            (_, other) => return Err(format!("a map is expected, not {}", other.kind())),
        };
        Ok(if found.is_null() { default } else { found })
    }),
    ("MAP_EXISTS", |_, arguments| {
        Ok(Value::Bool(match (arguments.first(), arguments.get(1)) {
            (None | Some(Value::Null), _) => false,
            (Some(key), Some(Value::Map(entries))) => entries.contains_key(key.to_string().as_str()),
            _ => false,
        }))
    }),
    ("MAP_PUT", |_, arguments| {
        let (key, value) = (given(arguments, 0, "key")?, given(arguments, 1, "value")?);
        let mut entries = match given(arguments, 2, "map")? {
            Value::Null => Arc::default(),
            Value::Map(entries) => entries.clone(),
            other => return Err(format!("a map is expected, not {}", other.kind())),
        };
        Arc::make_mut(&mut entries).insert(key.to_string().into(), value.clone());
        Ok(Value::Map(entries))
    }),
    ("MAP_MERGE", |_, arguments| {
        let Some(maps) = list(arguments, 0)? else { return Ok(Value::Null) };
        let mut merged = std::collections::BTreeMap::new();
        for map in maps {
            match map {
                Value::Map(entries) => merged.extend(entries.iter().map(|(key, value)| (key.clone(), value.clone()))),
                Value::Null => {}
                other => return Err(format!("a list of maps is expected, not of {}", other.kind())),
            }
        }
        Ok(Value::Map(Arc::new(merged)))
    }),
    ("GET", |_, arguments| {
        let (values, place) = (list(arguments, 0)?, count(arguments, 1, "index")?);
        Ok(values.zip(place).and_then(|(values, place)| values.get(place).cloned()).unwrap_or_default())
    }),
    ("GET_FIRST", |_, arguments| {
        Ok(list(arguments, 0)?.and_then(|values| values.first().cloned()).unwrap_or_default())
    }),
    ("GET_LAST", |_, arguments| Ok(list(arguments, 0)?.and_then(|values| values.last().cloned()).unwrap_or_default())),
    ("LIST_ADD", |_, arguments| match (given(arguments, 0, "list")?, arguments.get(1)) {
        (Value::List(values), Some(value)) => {
            let mut values = values.clone();
            Arc::make_mut(&mut values).push(value.clone());
            Ok(Value::List(values))
        }
        (other, _) => Ok(other.clone()),
    }),
    ("LENGTH", |_, arguments| {
        let length = match arguments.first() {
            Some(Value::Text(text)) => text.encode_utf16().count(),
            Some(Value::List(values)) => values.len(),
            Some(Value::Map(entries)) => entries.len(),
            _ => 0,
        };
        Ok(Value::Int(i32::try_from(length).unwrap_or(i32::MAX)))
    }),
    ("IS_EMPTY", |_, arguments| {
        Ok(Value::Bool(match arguments.first() {
            None | Some(Value::Null) => true,
            Some(Value::Text(text)) => text.is_empty(),
            Some(Value::List(values)) => values.is_empty(),
            Some(Value::Map(entries)) => entries.is_empty(),
            Some(_) => false,
        }))
    }),
    ("MAX", |_, arguments| most(arguments, Ordering::Greater)),
    ("MIN", |_, arguments| most(arguments, Ordering::Less)),
    ("MAP", |call, arguments| {
        let (Some(values), Some(lambda)) = (iterable(arguments)?, lambda(arguments, 1)?) else {
            return Ok(arguments.first().cloned().unwrap_or_default());
        };
        Ok(Value::list(values.into_iter().map(|value| call.lambda(lambda, &[value])).collect::<Result<_, _>>()?))
    }),
    ("FILTER", |call, arguments| {
        let (Some(values), Some(lambda)) = (iterable(arguments)?, lambda(arguments, 1)?) else {
            return Ok(arguments.first().cloned().unwrap_or_default());
        };
        let mut kept = Vec::new();
        for value in values {
            if matches!(call.lambda(lambda, std::slice::from_ref(&value))?, Value::Bool(true)) {
                kept.push(value);
            }
        }
        Ok(Value::list(kept))
    }),
    ("REDUCE", reduce),
    ("ZIP", |_, arguments| zip(arguments, |lengths| lengths.min())),
    ("ZIP_LONGEST", |_, arguments| zip(arguments, |lengths| lengths.max())),
];

fn list(arguments: &[Value], place: usize) -> Result<Option<&[Value]>, String> {
    match given(arguments, place, "list")? {
        Value::Null => Ok(None),
        Value::List(values) => Ok(Some(values)),
        other => Err(format!("a list is expected, not {}", other.kind())),
    }
}

/// The first argument's parts: a list's elements, a text's characters.
fn iterable(arguments: &[Value]) -> Result<Option<Vec<Value>>, String> {
    match given(arguments, 0, "list")? {
        Value::Null => Ok(None),
        Value::List(values) => Ok(Some(values.to_vec())),
        Value::Text(text) => Ok(Some(text.chars().map(|c| c.to_string().into()).collect())),
        other => Err(format!("a list or a text is expected, not {}", other.kind())),
    }
}

/// Null where there is nothing to start from.
fn reduce(call: &Call<'_>, arguments: &[Value]) -> Result<Value, String> {
    let (values, lambda) = (iterable(arguments)?, lambda(arguments, 1)?);
    let initial = given(arguments, 2, "initial value")?;
    let (Some(values), Some(lambda), false) = (values, lambda, initial.is_null()) else { return Ok(Value::Null) };
    values.into_iter().try_fold(initial.clone(), |total, value| call.lambda(lambda, &[total, value]))
}

fn most(arguments: &[Value], wanted: Ordering) -> Result<Value, String> {
    let values = list(arguments, 0)?.ok_or("a list is expected, not null")?;
    let mut best = Value::Null;
    for value in values.iter().filter(|value| !value.is_null()) {
        let order = if best.is_null() { Some(Some(wanted)) } else { java::compare(value, &best) };
        match order {
            Some(order) if order == Some(wanted) => best = value.clone(),
            Some(_) => {}
            None => return Err(format!("{} and {} cannot be compared", value.kind(), best.kind())),
        }
    }
    Ok(best)
}

fn zip(arguments: &[Value], length: fn(&mut dyn Iterator<Item = usize>) -> Option<usize>) -> Result<Value, String> {
    let lists: Vec<&[Value]> = (0..arguments.len())
        .map(|place| Ok(list(arguments, place)?.unwrap_or_default()))
        .collect::<Result<_, String>>()?;
    let length = length(&mut lists.iter().map(|list| list.len())).unwrap_or(0);
    let row =
        |place: usize| Value::list(lists.iter().map(|list| list.get(place).cloned().unwrap_or_default()).collect());
    Ok(Value::list((0..length).map(row).collect()))
}
