//! The methods of Java's texts, lists, maps and numbers that mapping templates use.

use super::VtlError;
use super::eval::{Machine, element, put_element, same};
use super::value::{Tool, Value};
use std::rc::Rc;

type Done = Result<Value, VtlError>;

/// Entries that a list or a map of a template may have.
const MAX_ITEMS: usize = 50_000;

fn int(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn index(value: Option<&Value>) -> usize {
    match value {
        Some(Value::Int(index)) => usize::try_from(*index).unwrap_or(0),
        _ => 0,
    }
}

impl Machine<'_, '_> {
    pub(super) fn method(&mut self, value: &Value, name: &str, arguments: &[Value]) -> Done {
        match (name, value) {
            (_, Value::Tool(Tool::Input)) => return self.input(name, arguments),
            (_, Value::Tool(Tool::Util)) => return self.util(name, arguments),
            (_, Value::Null) => return Ok(Value::Null),
            ("toString", value) => {
                let text = self.show(value)?;
                return Ok(Value::Text(text.into()));
            }
            ("equals", value) => {
                return Ok(Value::Bool(arguments.first().is_some_and(|other| value.equals(other))));
            }
            _ => {}
        }
        match value {
            Value::Text(text) => self.text_method(&Rc::clone(text), name, arguments),
            Value::List(items) | Value::Array(items) => {
                let size = items.borrow().len();
                self.spend(size)?;
                self.list_method(value, name, arguments)
            }
            Value::Map(entries) => {
                let size = entries.borrow().len();
                self.spend(size)?;
                self.map_method(value, name, arguments)
            }
            Value::Entry(entry) => Ok(match name {
                "getKey" => Value::text(&entry.0),
                "getValue" => entry.1.clone(),
                _ => Value::Null,
            }),
            Value::Int(number) => Ok(match name {
                "intValue" | "longValue" => Value::Int(*number),
                "doubleValue" | "floatValue" => value.number().map_or(Value::Null, Value::Float),
                "compareTo" => arguments.first().and_then(Value::number).map_or(Value::Null, |other| {
                    let order = value.number().and_then(|own| own.partial_cmp(&other));
                    order.map_or(Value::Null, |order| Value::Int(order as i64))
                }),
                // `$number.parseInt("5")` is Java's static method by way of an instance.
                "parseInt" | "parseLong" | "valueOf" => self.parsed(arguments)?,
                _ => Value::Null,
            }),
            Value::Float(number) => Ok(match name {
                #[expect(clippy::cast_possible_truncation, reason = "Java's cast saturates as Rust's does")]
                "intValue" | "longValue" => Value::Int(*number as i64),
                "doubleValue" | "floatValue" => Value::Float(*number),
                "parseDouble" | "valueOf" => self.parsed(arguments)?,
                _ => Value::Null,
            }),
            _ => Ok(Value::Null),
        }
    }

    fn parsed(&mut self, arguments: &[Value]) -> Done {
        let text = match arguments.first() {
            Some(value) => self.show(value)?,
            None => return Ok(Value::Null),
        };
        let text = text.trim();
        let float = || {
            text.parse()
                .ok()
                .filter(|float: &f64| float.is_finite())
                .map_or(Value::Null, Value::Float)
        };
        Ok(text.parse().map_or_else(|_| float(), Value::Int))
    }

    fn text_method(&mut self, text: &str, name: &str, arguments: &[Value]) -> Done {
        let mut shown = Vec::with_capacity(arguments.len());
        for argument in arguments {
            shown.push(self.show(argument)?);
        }
        self.spend(text.len())?;
        let arg = |at: usize| shown.get(at).map_or("", String::as_str);
        // Java counts in UTF-16; characters of the basic plane are the same.
        let place = |found: Option<usize>| found.map_or(Value::Int(-1), |at| int(text[..at].chars().count()));
        Ok(match name {
            "length" => int(text.encode_utf16().count()),
            "isEmpty" => Value::Bool(text.is_empty()),
            "contains" => Value::Bool(text.contains(arg(0))),
            "equalsIgnoreCase" => Value::Bool(text.to_lowercase() == arg(0).to_lowercase()),
            "startsWith" => Value::Bool(text.starts_with(arg(0))),
            "endsWith" => Value::Bool(text.ends_with(arg(0))),
            "compareTo" => Value::Int(text.cmp(arg(0)) as i64),
            "indexOf" => place(text.find(arg(0))),
            "lastIndexOf" => place(text.rfind(arg(0))),
            "trim" => Value::text(text.trim()),
            "toLowerCase" => Value::text(text.to_lowercase()),
            "toUpperCase" => Value::text(text.to_uppercase()),
            "concat" => self.made(format!("{text}{}", arg(0)))?,
            "charAt" => text
                .chars()
                .nth(index(arguments.first()))
                .map_or(Value::Null, |c| Value::text(c.to_string())),
            "substring" => {
                let (from, to) = (index(arguments.first()), arguments.get(1).map(|end| index(Some(end))));
                let count = to.map_or(usize::MAX, |to| to.saturating_sub(from));
                Value::text(text.chars().skip(from).take(count).collect::<String>())
            }
            "replace" => {
                // An empty pattern stands between all characters, so what comes out may be long.
                self.spend(text.len().saturating_mul(arg(1).len().min(64)))?;
                self.made(text.replace(arg(0), arg(1)))?
            }
            "replaceAll" | "replaceFirst" | "matches" | "split" => self.with_pattern(text, name, &shown)?,
            "hashCode" => {
                let hash = text
                    .encode_utf16()
                    .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
                Value::Int(hash.into())
            }
            "parseInt" | "parseLong" => self.parsed(arguments)?,
            _ => Value::Null,
        })
    }

    /// Methods that take a regular expression; one that cannot be read finds nothing.
    fn with_pattern(&mut self, text: &str, name: &str, shown: &[String]) -> Done {
        let arg = |at: usize| shown.get(at).map_or("", String::as_str);
        self.spend(text.len() + 4096)?;
        let pattern = if name == "matches" {
            format!("^(?:{})$", arg(0))
        } else {
            arg(0).to_owned()
        };
        let built = regex::RegexBuilder::new(&pattern).size_limit(1 << 18).build();
        let Ok(pattern) = built else {
            return Ok(if name == "matches" {
                Value::Bool(false)
            } else {
                Value::text(text)
            });
        };
        Ok(match name {
            "matches" => Value::Bool(pattern.is_match(text)),
            "split" => {
                let mut parts: Vec<Value> = pattern.split(text).map(Value::text).collect();
                // Java leaves out empty ends.
                while parts.len() > 1 && matches!(parts.last(), Some(Value::Text(last)) if last.is_empty()) {
                    parts.pop();
                }
                self.spend(parts.len() * 16)?;
                Value::list(parts)
            }
            _ => {
                let found = pattern.find_iter(text).count();
                self.spend(found.saturating_mul(arg(1).len() + 16))?;
                let limit = usize::from(name == "replaceFirst");
                self.made(pattern.replacen(text, limit, arg(1)).into_owned())?
            }
        })
    }

    fn list_method(&mut self, list: &Value, name: &str, arguments: &[Value]) -> Done {
        let (Value::List(items) | Value::Array(items)) = list else {
            return Ok(Value::Null);
        };
        let first = arguments.first();
        let fits = |value: &Value| -> Result<(), VtlError> {
            if value.reaches(list, 0) {
                return Err(VtlError::Bound("a value inside itself"));
            }
            if items.borrow().len() >= MAX_ITEMS {
                return Err(VtlError::Bound("a list"));
            }
            Ok(())
        };
        Ok(match (name, first) {
            ("size" | "length", _) => int(items.borrow().len()),
            ("isEmpty", _) => Value::Bool(items.borrow().is_empty()),
            ("get", Some(index)) => element(list, index),
            ("contains", Some(wanted)) => Value::Bool(items.borrow().iter().any(|item| item.equals(wanted))),
            ("indexOf", Some(wanted)) => items
                .borrow()
                .iter()
                .position(|item| item.equals(wanted))
                .map_or(Value::Int(-1), int),
            ("add", Some(value)) => {
                let value = arguments.get(1).unwrap_or(value);
                fits(value)?;
                let mut items = items.borrow_mut();
                match arguments {
                    [at, value] if index(Some(at)) <= items.len() => items.insert(index(Some(at)), value.clone()),
                    _ => items.push(value.clone()),
                }
                Value::Bool(true)
            }
            ("addAll", Some(other @ (Value::List(more) | Value::Array(more)))) => {
                let more = more.borrow().clone();
                if same(list, other) {
                    return Ok(Value::Bool(false));
                }
                self.spend(more.len() * 16)?;
                for value in more {
                    fits(&value)?;
                    items.borrow_mut().push(value);
                }
                Value::Bool(true)
            }
            ("set", Some(index)) => {
                let value = arguments.get(1).cloned().unwrap_or(Value::Null);
                fits(&value)?;
                let old = element(list, index);
                put_element(list, index, value);
                old
            }
            ("remove", Some(Value::Int(at))) => {
                let at = usize::try_from(*at).unwrap_or(usize::MAX);
                let mut items = items.borrow_mut();
                if at < items.len() {
                    items.remove(at)
                } else {
                    Value::Null
                }
            }
            ("remove", Some(wanted)) => {
                let place = items.borrow().iter().position(|item| item.equals(wanted));
                if let Some(place) = place {
                    items.borrow_mut().remove(place);
                }
                Value::Bool(place.is_some())
            }
            ("clear", _) => {
                items.borrow_mut().clear();
                Value::Null
            }
            _ => Value::Null,
        })
    }

    fn map_method(&mut self, map: &Value, name: &str, arguments: &[Value]) -> Done {
        let Value::Map(entries) = map else {
            return Ok(Value::Null);
        };
        let key = match arguments.first() {
            Some(value) => self.show(value)?,
            None => String::new(),
        };
        Ok(match name {
            "get" => entries.borrow().get(&key).cloned().unwrap_or(Value::Null),
            "getOrDefault" => {
                let found = entries.borrow().get(&key).cloned();
                found.or_else(|| arguments.get(1).cloned()).unwrap_or(Value::Null)
            }
            "containsKey" => Value::Bool(entries.borrow().contains_key(&key)),
            "containsValue" => {
                let wanted = arguments.first().unwrap_or(&Value::Null);
                Value::Bool(entries.borrow().values().any(|value| value.equals(wanted)))
            }
            "size" => int(entries.borrow().len()),
            "isEmpty" => Value::Bool(entries.borrow().is_empty()),
            "keySet" => Value::list(entries.borrow().keys().map(Value::text).collect()),
            "values" => Value::list(entries.borrow().values().cloned().collect()),
            "entrySet" => {
                let entries = entries.borrow();
                let entry = |(name, value): (&String, &Value)| Value::Entry(Rc::new((name.clone(), value.clone())));
                Value::list(entries.iter().map(entry).collect())
            }
            "put" => {
                let value = arguments.get(1).cloned().unwrap_or(Value::Null);
                if value.reaches(map, 0) {
                    return Err(VtlError::Bound("a value inside itself"));
                }
                if entries.borrow().len() >= MAX_ITEMS {
                    return Err(VtlError::Bound("a map"));
                }
                entries.borrow_mut().insert(key, value).unwrap_or(Value::Null)
            }
            "putAll" => {
                if let Some(other @ Value::Map(more)) = arguments.first()
                    && !same(map, other)
                {
                    let more = more.borrow().clone();
                    self.spend(more.len() * 32)?;
                    if more.values().any(|value| value.reaches(map, 0)) {
                        return Err(VtlError::Bound("a value inside itself"));
                    }
                    entries.borrow_mut().extend(more);
                }
                Value::Null
            }
            "remove" => entries.borrow_mut().shift_remove(&key).unwrap_or(Value::Null),
            "clear" => {
                entries.borrow_mut().clear();
                Value::Null
            }
            _ => Value::Null,
        })
    }
}
