//! What a target is sent: the event, a part of it, a constant, or a template filled from it.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html>.

use crate::shapes::Target;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most bytes that a filled template may have.
const MAX_FILLED: usize = 1 << 20;

/// What templates may say of the rule, besides what is in the event.
pub(crate) struct Rule<'r> {
    pub arn: &'r str,
    pub name: &'r str,
    /// When the event was accepted, as in `2026-01-02T03:04:05.678Z`.
    pub ingested: String,
}

/// The payload for `target`; `None` when a template does not become JSON, which AWS drops in silence.
pub(crate) fn payload(target: &Target, event: &str, rule: &Rule<'_>) -> Option<String> {
    if let Some(constant) = &target.input {
        return Some(constant.clone());
    }
    if let Some(path) = target.input_path.as_deref().filter(|path| *path != "$") {
        let event: Value = serde_json::from_str(event).ok()?;
        // What is not there is null, as a function sees it.
        return Some(find(&event, path).map_or_else(|| "null".into(), Value::to_string));
    }
    if let Some(transformer) = &target.input_transformer {
        let event: Value = serde_json::from_str(event).ok()?;
        let paths = transformer.input_paths_map.as_ref();
        let filled = fill(&transformer.input_template, &event, paths, rule)?;
        let mut values = serde_json::Deserializer::from_str(&filled).into_iter::<serde::de::IgnoredAny>();
        let mut any = false;
        return values
            .all(|value| {
                any = true;
                value.is_ok()
            })
            .then_some(filled)
            .filter(|_| any);
    }
    Some(event.to_owned())
}

/// Fills a template. In a text a value stands without its quotes; elsewhere as JSON.
fn fill(template: &str, event: &Value, paths: Option<&BTreeMap<String, String>>, rule: &Rule<'_>) -> Option<String> {
    let is_text = template.trim_start().starts_with('"');
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    let mut quoted = false;
    while let Some(next) = rest.chars().next() {
        if next == '<'
            && let Some((name, behind)) = placeholder(rest)
        {
            let value = value_of(name, event, paths, rule);
            match (value, quoted) {
                (None, true) => {}
                (None, false) => filled.push_str("\"\""),
                (Some(Value::String(text)), true) => {
                    let escaped = Value::String(text).to_string();
                    filled.push_str(&escaped[1..escaped.len() - 1]);
                }
                (Some(value), true) if is_text => filled.push_str(&value.to_string().replace('"', "")),
                (Some(value), _) => filled.push_str(&value.to_string()),
            }
            rest = behind;
            if filled.len() > MAX_FILLED {
                return None;
            }
            continue;
        }
        if next == '\\' && quoted {
            // An escaped character, quotes among them.
            let mut pair = rest.chars();
            filled.extend(pair.by_ref().take(2));
            rest = pair.as_str();
            continue;
        }
        quoted ^= next == '"';
        filled.push(next);
        rest = &rest[next.len_utf8()..];
    }
    Some(filled)
}

/// The name in `<name>` at the beginning of `text`, and what is behind it.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, behind) = text.strip_prefix('<')?.split_once('>')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!name.is_empty() && name.chars().all(fits)).then_some((name, behind))
}

fn value_of(name: &str, event: &Value, paths: Option<&BTreeMap<String, String>>, rule: &Rule<'_>) -> Option<Value> {
    match name {
        "aws.events.rule-arn" => Some(rule.arn.into()),
        "aws.events.rule-name" => Some(rule.name.into()),
        "aws.events.event.ingestion-time" => Some(rule.ingested.clone().into()),
        "aws.events.event.json" => Some(event.clone()),
        "aws.events.event" => Some(json!({
            "id": event["id"], "account": event["account"], "detailType": event["detail-type"], "time": rule.ingested,
            "source": event["source"], "region": event["region"], "resources": event["resources"],
            "version": event["version"],
        })),
        _ => find(event, paths?.get(name)?).cloned(),
    }
}

/// The first placeholder that neither the map nor EventBridge defines.
pub(crate) fn unknown_placeholder<'t>(template: &'t str, paths: Option<&BTreeMap<String, String>>) -> Option<&'t str> {
    let mut rest = template;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let Some((name, behind)) = placeholder(rest) else {
            rest = &rest[1..];
            continue;
        };
        if !name.starts_with("aws.events.") && !paths.is_some_and(|paths| paths.contains_key(name)) {
            return Some(name);
        }
        rest = behind;
    }
    None
}

/// One step of a JSON path.
enum Step<'p> {
    Member(&'p str),
    Element(usize),
}

/// The part of JSONPath that EventBridge takes: members by dot or bracket, and elements by number.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix('.') {
            let end = behind.find(['.', '[']).unwrap_or(behind.len());
            let name = &behind[..end];
            if name.is_empty() || name.contains(['*', '?', '(', ')', ' ']) {
                return None;
            }
            steps.push(Step::Member(name));
            rest = &behind[end..];
        } else {
            let (inside, behind) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = |quote: char| inside.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
            steps.push(match quoted('\'').or_else(|| quoted('"')) {
                Some(name) => Step::Member(name),
                None => Step::Element(inside.parse().ok()?),
            });
            rest = behind;
        }
    }
    Some(steps)
}

/// Whether this is a path that can be followed.
pub(crate) fn is_path(path: &str) -> bool {
    steps(path).is_some()
}

fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    steps(path)?.into_iter().try_fold(value, |value, step| match step {
        Step::Member(name) => value.get(name),
        Step::Element(at) => value.get(at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::InputTransformer;

    fn transformed(template: &str) -> Option<String> {
        let event = json!({
            "id": "i", "detail": {"id": "0a78", "payload": {"acc_id": "0a", "sf": "baz"}, "one": ["HIGH"], "yes": true},
        });
        let paths = [
            ("userId", "$.detail.id"),
            ("payload", "$.detail.payload"),
            ("list", "$.detail['one']"),
            ("gone", "$.x"),
            ("yes", "$.detail.yes"),
            ("first", "$.detail.one[0]"),
        ];
        let target = Target {
            input_transformer: Some(InputTransformer {
                input_paths_map: Some(
                    paths
                        .iter()
                        .map(|(name, path)| (name.to_string(), path.to_string()))
                        .collect(),
                ),
                input_template: template.into(),
            }),
            ..Target::default()
        };
        let rule = Rule {
            arn: "arn:rule",
            name: "r",
            ingested: "now".into(),
        };
        payload(&target, &event.to_string(), &rule)
    }

    #[test]
    fn templates_are_filled_as_aws_fills_them() {
        for (template, expected) in [
            (
                r#"{"path": "users/<userId>", "bod": <payload>}"#,
                Some(r#"{"path": "users/0a78", "bod": {"acc_id":"0a","sf":"baz"}}"#),
            ),
            (
                r#""Payload of <payload> with <userId>""#,
                Some(r#""Payload of {acc_id:0a,sf:baz} with 0a78""#),
            ),
            (r#"{"id" : <userId>}"#, Some(r#"{"id" : "0a78"}"#)),
            (r#"{"id" : "<userId>"}"#, Some(r#"{"id" : "0a78"}"#)),
            (r#"{"c": <gone>}"#, Some(r#"{"c": ""}"#)),
            (r#""info <gone>""#, Some(r#""info ""#)),
            (
                r#"{"l": <list>, "f": <first>}"#,
                Some(r#"{"l": ["HIGH"], "f": "HIGH"}"#),
            ),
            (r#""<list> item""#, Some(r#""[HIGH] item""#)),
            (r#"{"l": "<list>"}"#, None),
            ("<list> item", None),
            (r#""Command is <yes>!""#, Some(r#""Command is true!""#)),
            (
                r#""<aws.events.rule-arn> <aws.events.rule-name>""#,
                Some(r#""arn:rule r""#),
            ),
        ] {
            assert_eq!(transformed(template).as_deref(), expected, "{template}");
        }
        assert_eq!(
            unknown_placeholder("\"<a> <b>\"", Some(&BTreeMap::from([("a".into(), "$".into())]))),
            Some("b")
        );
    }

    #[test]
    fn parts_and_constants() {
        let event = r#"{"detail": {"a": [{"b": "c"}]}}"#;
        let rule = Rule {
            arn: "",
            name: "",
            ingested: String::new(),
        };
        let at = |path: &str| {
            payload(
                &Target {
                    input_path: Some(path.into()),
                    ..Target::default()
                },
                event,
                &rule,
            )
        };
        assert_eq!(at("$.detail.a[0].b").as_deref(), Some("\"c\""));
        assert_eq!(at("$.gone").as_deref(), Some("null"));
        assert_eq!(at("$").as_deref(), Some(event));
        assert!(!is_path("detail") && !is_path("$..a") && !is_path("$.a[*]"));
    }
}
