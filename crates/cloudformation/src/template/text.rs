//! From a template's text to a tree: JSON, or YAML with CloudFormation's short tags.

use super::TemplateError;
use granit_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

/// How deep a template may nest. AWS's own limit is not published; nobody's template comes near.
const MAX_DEPTH: usize = 100;

/// Reads a template's text.
pub(crate) fn read(text: &str) -> Result<Value, TemplateError> {
    let value = if text.trim_start().starts_with('{') {
        // Flow style is YAML too, and some write it with comments or without quotes.
        json(text).or_else(|error| yaml(text).map_err(|_| error))?
    } else {
        yaml(text)?
    };
    if !value.is_object() {
        return Err(TemplateError::format("unsupported structure."));
    }
    Ok(value)
}

fn json(text: &str) -> Result<Value, TemplateError> {
    serde_json::from_str(text).map_err(|error| {
        TemplateError::format(format!(
            "JSON not well-formed. (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

/// A collection that is still open, and the tag before it.
enum Open {
    Map(Map<String, Value>, Option<String>, Option<String>),
    List(Vec<Value>, Option<String>),
}

fn malformed(line: usize, column: usize) -> TemplateError {
    TemplateError::format(format!("YAML not well-formed. (line {line}, column {column})"))
}

fn yaml(text: &str) -> Result<Value, TemplateError> {
    let mut open: Vec<Open> = Vec::new();
    let mut whole = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| malformed(error.marker().line(), error.marker().col() + 1))?;
        let here = || malformed(span.start.line(), span.start.col() + 1);
        let finished = match event {
            Event::Alias(_) => {
                return Err(TemplateError::error(
                    "YAML aliases are not allowed in CloudFormation templates",
                ));
            }
            Event::MappingStart(_, _, tag) => {
                open.push(Open::Map(
                    Map::new(),
                    None,
                    function(tag.as_deref()).map_err(|()| here())?,
                ));
                None
            }
            Event::SequenceStart(_, _, tag) => {
                open.push(Open::List(Vec::new(), function(tag.as_deref()).map_err(|()| here())?));
                None
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some(Open::Map(map, _, tag)) => Some(tagged(tag, Value::Object(map))),
                Some(Open::List(items, tag)) => Some(tagged(tag, Value::Array(items))),
                None => return Err(here()),
            },
            Event::Scalar(text, style, _, tag) => {
                if let Some(Open::Map(_, key @ None, _)) = open.last_mut() {
                    *key = Some(text.into_owned());
                    continue;
                }
                let name = function(tag.as_deref()).map_err(|()| here())?;
                let is_text = style != ScalarStyle::Plain || tag.as_deref().is_some();
                let value = if is_text {
                    Value::String(text.into_owned())
                } else {
                    plain(&text)
                };
                Some(tagged(name, value))
            }
            Event::DocumentStart(..) if whole.is_some() => return Err(here()),
            _ => None,
        };
        if open.len() > MAX_DEPTH {
            return Err(TemplateError::format(format!(
                "the template is nested deeper than {MAX_DEPTH} levels."
            )));
        }
        let Some(value) = finished else { continue };
        match open.last_mut() {
            Some(Open::Map(map, key, _)) => match key.take() {
                Some(key) => {
                    map.insert(key, value);
                }
                // A collection cannot be a key.
                None => return Err(here()),
            },
            Some(Open::List(items, _)) => items.push(value),
            None => whole = Some(value),
        }
    }
    whole.ok_or_else(|| TemplateError::format("unsupported structure."))
}

/// The long name of a short tag; `Err` for a tag that CloudFormation does not know.
fn function(tag: Option<&Tag>) -> Result<Option<String>, ()> {
    let Some(tag) = tag else { return Ok(None) };
    if tag.is_yaml_core_schema() {
        return Ok(None);
    }
    Ok(Some(match (tag.handle(), tag.suffix()) {
        ("!", "Ref") => "Ref".to_owned(),
        ("!", "Condition") => "Condition".to_owned(),
        ("!", name @ ("GetAtt" | "Sub" | "If" | "Join" | "Split" | "Select" | "FindInMap" | "Base64" | "Cidr")) => {
            format!("Fn::{name}")
        }
        ("!", name @ ("GetAZs" | "ImportValue" | "Transform" | "And" | "Or" | "Not" | "Equals" | "Length")) => {
            format!("Fn::{name}")
        }
        ("!", name @ ("ToJsonString" | "Contains" | "EachMemberEquals" | "EachMemberIn" | "RefAll" | "ValueOf")) => {
            format!("Fn::{name}")
        }
        ("!", name @ "ValueOfAll") => format!("Fn::{name}"),
        _ => return Err(()),
    }))
}

fn tagged(function: Option<String>, value: Value) -> Value {
    let Some(name) = function else { return value };
    let value = match (name.as_str(), value) {
        ("Fn::GetAtt", Value::String(text)) => match text.split_once('.') {
            Some((resource, attribute)) => Value::from(vec![resource, attribute]),
            None => Value::String(text),
        },
        (_, value) => value,
    };
    Value::Object(Map::from_iter([(name, value)]))
}

/// A scalar without quotes. What would not be written back the same way (`010`, `1_000`, a date) stays text.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return Value::Number(number.into());
    }
    if let Ok(number) = text.parse::<f64>()
        && number.to_string() == text
        && let Some(number) = Number::from_f64(number)
    {
        return Value::Number(number);
    }
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn short_tags_are_functions() {
        let yaml = "A: !Ref B\nC: !GetAtt d.e.f\nG: !Sub ['${x}', {x: !Ref y}]\nH: !If [c, 1, !Ref AWS::NoValue]\n";
        let expected = json!({
            "A": {"Ref": "B"}, "C": {"Fn::GetAtt": ["d", "e.f"]},
            "G": {"Fn::Sub": ["${x}", {"x": {"Ref": "y"}}]},
            "H": {"Fn::If": ["c", 1, {"Ref": "AWS::NoValue"}]},
        });
        assert_eq!(read(yaml).unwrap(), expected);
    }

    #[test]
    fn scalars_keep_what_was_written() {
        let yaml = "AWSTemplateFormatVersion: 2010-09-09\nA: 012345678901\nB: 1.5\nC: yes\nD: true\nE:\nF: '5'\n";
        let expected = json!({
            "AWSTemplateFormatVersion": "2010-09-09", "A": "012345678901", "B": 1.5, "C": "yes", "D": true, "E": null,
            "F": "5",
        });
        assert_eq!(read(yaml).unwrap(), expected);
    }

    #[test]
    fn what_is_no_template_is_refused_in_words() {
        assert_eq!(
            read("\"x\"").unwrap_err().to_string(),
            "Template format error: unsupported structure."
        );
        assert!(
            read("{\"a\": [")
                .unwrap_err()
                .to_string()
                .starts_with("Template format error: JSON not well-formed.")
        );
        assert!(
            read("a: [")
                .unwrap_err()
                .to_string()
                .starts_with("Template format error: YAML not well-formed.")
        );
        let aliases = read("a: &x [1]\nb: *x").unwrap_err().to_string();
        assert_eq!(
            aliases,
            "Template error: YAML aliases are not allowed in CloudFormation templates"
        );
        assert!(read("a: !Unknown b").is_err());
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read(&"{\"a\":".repeat(100_000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ -~\n\t]{0,200}") {
            let _ = read(&text);
        }

        #[test]
        fn no_yaml_like_text_makes_it_panic(lines in proptest::collection::vec("[ ]{0,6}[-?:!&*|>'\"{}\\[\\],#%@`a-c0-9 ]{0,12}", 0..20)) {
            let _ = read(&lines.join("\n"));
        }
    }
}
