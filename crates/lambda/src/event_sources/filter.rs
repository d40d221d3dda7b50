//! `FilterCriteria`: event patterns as EventBridge has them. Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html>.

use serde_json::{Map, Value};

/// Nesting of a pattern.
const MAX_DEPTH: usize = 24;

/// The patterns of a mapping: a record that fits one of them is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Filters(Vec<Map<String, Value>>);

impl Filters {
    /// Reads patterns; `None` when one of them is none.
    pub(super) fn parse<'p>(patterns: impl IntoIterator<Item = &'p String>) -> Option<Self> {
        let patterns = patterns.into_iter().map(|text| match serde_json::from_str(text) {
            Ok(Value::Object(pattern)) if is_pattern(&pattern, 0) => Some(pattern),
            _ => None,
        });
        patterns.collect::<Option<Vec<_>>>().map(Self)
    }

    /// Whether a record is to be delivered.
    pub(super) fn keep(&self, record: &Value) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| fits(pattern, Some(record)))
    }
}

fn is_pattern(pattern: &Map<String, Value>, depth: usize) -> bool {
    depth < MAX_DEPTH
        && !pattern.is_empty()
        && pattern.iter().all(|(name, condition)| match condition {
            Value::Array(choices) if name == "$or" => {
                choices.len() > 1
                    && choices
                        .iter()
                        .all(|choice| choice.as_object().is_some_and(|choice| is_pattern(choice, depth + 1)))
            }
            Value::Array(rules) => !rules.is_empty() && rules.iter().all(is_rule),
            Value::Object(inner) => is_pattern(inner, depth + 1),
            _ => false,
        })
}

fn is_rule(rule: &Value) -> bool {
    let Value::Object(rule) = rule else {
        return !rule.is_array();
    };
    let mut members = rule.iter();
    let (Some((name, operand)), None) = (members.next(), members.next()) else {
        return false;
    };
    match name.as_str() {
        "exists" => operand.is_boolean(),
        "prefix" | "suffix" | "equals-ignore-case" => operand.is_string(),
        "numeric" => comparisons(operand).is_some(),
        "anything-but" => match operand {
            Value::Array(values) => {
                !values.is_empty() && values.iter().all(|value| value.is_string() || value.is_number())
            }
            Value::Object(inner) => inner.len() == 1 && inner.get("prefix").is_some_and(Value::is_string),
            value => value.is_string() || value.is_number(),
        },
        _ => false,
    }
}

/// `[">", 0, "<=", 5]` as pairs.
fn comparisons(operand: &Value) -> Option<Vec<(&str, f64)>> {
    let parts = operand.as_array().filter(|parts| matches!(parts.len(), 2 | 4))?;
    let pairs = parts.chunks(2).map(|pair| {
        let operator = pair[0]
            .as_str()
            .filter(|text| ["=", "<", "<=", ">", ">="].contains(text))?;
        Some((operator, pair[1].as_f64()?))
    });
    pairs.collect()
}

fn fits(pattern: &Map<String, Value>, data: Option<&Value>) -> bool {
    pattern.iter().all(|(name, condition)| match condition {
        Value::Array(choices) if name == "$or" => choices
            .iter()
            .any(|choice| choice.as_object().is_some_and(|choice| fits(choice, data))),
        Value::Array(rules) => rules
            .iter()
            .any(|rule| meets(rule, data.and_then(|data| data.get(name)))),
        Value::Object(inner) => fits(inner, data.and_then(|data| data.get(name))),
        _ => false,
    })
}

fn meets(rule: &Value, value: Option<&Value>) -> bool {
    // Of a list one element is enough, but for what must not be there.
    if let Some(Value::Array(values)) = value
        && rule.get("exists").is_none()
    {
        return match rule.get("anything-but") {
            Some(_) => values.iter().all(|value| meets(rule, Some(value))),
            None => values.iter().any(|value| meets(rule, Some(value))),
        };
    }
    let Value::Object(operators) = rule else {
        return value.is_some_and(|value| same(rule, value));
    };
    operators.iter().all(|(name, operand)| {
        let text = || value.and_then(Value::as_str);
        match (name.as_str(), operand) {
            ("exists", Value::Bool(wanted)) => *wanted == value.is_some(),
            ("prefix", Value::String(prefix)) => text().is_some_and(|text| text.starts_with(prefix.as_str())),
            ("suffix", Value::String(suffix)) => text().is_some_and(|text| text.ends_with(suffix.as_str())),
            ("equals-ignore-case", Value::String(wanted)) => {
                text().is_some_and(|text| text.to_lowercase() == wanted.to_lowercase())
            }
            ("numeric", operand) => match (comparisons(operand), value.and_then(Value::as_f64)) {
                (Some(comparisons), Some(number)) => comparisons.iter().all(|(operator, bound)| match *operator {
                    "=" => number == *bound,
                    "<" => number < *bound,
                    "<=" => number <= *bound,
                    ">" => number > *bound,
                    _ => number >= *bound,
                }),
                _ => false,
            },
            ("anything-but", Value::Array(values)) => {
                value.is_some_and(|value| !values.iter().any(|other| same(other, value)))
            }
            ("anything-but", Value::Object(inner)) => match (inner.get("prefix").and_then(Value::as_str), text()) {
                (Some(prefix), Some(text)) => !text.starts_with(prefix),
                _ => false,
            },
            ("anything-but", other) => value.is_some_and(|value| !same(other, value)),
            _ => false,
        }
    })
}

fn same(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn keeps(pattern: Value, record: &Value) -> bool {
        Filters::parse([&pattern.to_string()]).unwrap().keep(record)
    }

    #[test]
    fn a_record_is_kept_that_fits_a_pattern() {
        let record = json!({
            "eventName": "INSERT",
            "dynamodb": {"NewImage": {"city": {"S": "Ulm"}, "n": {"N": "5"}, "tags": {"SS": ["a", "b"]}}, "SizeBytes": 40},
        });
        for pattern in [
            json!({"eventName": ["INSERT", "MODIFY"]}),
            json!({"eventName": [{"prefix": "INS"}], "dynamodb": {"SizeBytes": [{"numeric": [">", 30, "<=", 40]}]}}),
            json!({"dynamodb": {"NewImage": {"city": {"S": [{"anything-but": ["Bonn"]}]}}}}),
            json!({"dynamodb": {"OldImage": {"city": [{"exists": false}]}}}),
            json!({"dynamodb": {"NewImage": {"tags": {"SS": ["b"]}}}}),
            json!({"dynamodb": {"NewImage": {"city": {"S": [{"equals-ignore-case": "ULM"}, {"suffix": "x"}]}}}}),
            json!({"$or": [{"eventName": ["REMOVE"]}, {"dynamodb": {"SizeBytes": [40]}}]}),
        ] {
            assert!(keeps(pattern.clone(), &record), "{pattern}");
        }
        for pattern in [
            json!({"eventName": ["REMOVE"]}),
            json!({"eventName": ["INSERT"], "dynamodb": {"SizeBytes": [{"numeric": ["<", 40]}]}}),
            json!({"dynamodb": {"NewImage": {"city": {"S": [{"anything-but": {"prefix": "U"}}]}}}}),
            json!({"dynamodb": {"NewImage": {"nothing": [{"exists": true}]}}}),
            json!({"dynamodb": {"NewImage": {"nothing": {"S": ["a"]}}}}),
            json!({"$or": [{"eventName": ["REMOVE"]}, {"dynamodb": {"SizeBytes": [41]}}]}),
        ] {
            assert!(!keeps(pattern.clone(), &record), "{pattern}");
        }
        assert!(Filters::default().keep(&record));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"a":1}"#,
            r#"{"a":[]}"#,
            r#"{"a":[{"like":"b"}]}"#,
            r#"{"a":[{"numeric":["~",1]}]}"#,
            r#"{"a":[{"exists":1}]}"#,
            r#"{"$or":[{"a":[1]}]}"#,
            r#"{"a":[["b"]]}"#,
        ] {
            assert!(Filters::parse([&text.to_owned()]).is_none(), "{text}");
        }
        let deep = format!("{}{}{}", r#"{"a":"#.repeat(100), "[1]", "}".repeat(100));
        assert!(Filters::parse([&deep]).is_none());
    }
}
