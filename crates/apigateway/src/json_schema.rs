//! JSON Schema draft 4, as models use it to validate bodies.
//!
//! The keywords of draft 4 but `format`, which API Gateway does not check either. Links lead inside the document only;
//! models that refer to each other are flattened before ([`crate::models::flattened`]). Work is bounded by
//! [`MAX_CHECKS`], nesting by [`MAX_DEPTH`]: a body past them is taken for invalid. Own, because the maintained crate
//! brings twenty others for drafts and links that models do not have. Source:
//! <https://json-schema.org/draft-04/draft-fge-json-schema-validation-00>.

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Schemas applied to one body.
const MAX_CHECKS: usize = 200_000;
const MAX_DEPTH: usize = 64;
const MAX_PATTERNS: usize = 500;

/// A schema with its patterns made ready.
#[derive(Debug)]
pub(crate) struct Schema {
    root: Value,
    patterns: HashMap<String, Regex>,
}

/// Whether `root` is a schema that bodies can be checked with.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(root: &Value) -> Result<(), String> {
    Schema::new(root.clone()).map(drop)
}

impl Schema {
    /// # Errors
    /// What is wrong with the schema.
    pub(crate) fn new(root: Value) -> Result<Self, String> {
        let mut patterns = HashMap::new();
        collect(&root, &mut patterns, 0)?;
        Ok(Self { root, patterns })
    }

    /// Whether `value` is valid; what is not, in words for the log.
    pub(crate) fn validate(&self, value: &Value) -> Result<(), String> {
        let mut left = MAX_CHECKS;
        self.apply(&self.root, value, 0, &mut left)
    }

    fn apply(&self, schema: &Value, value: &Value, depth: usize, left: &mut usize) -> Result<(), String> {
        let Value::Object(schema) = schema else {
            return Ok(());
        };
        if depth > MAX_DEPTH || *left == 0 {
            return Err("the body is too deep or too large to be validated".into());
        }
        *left -= 1;
        if let Some(link) = schema.get("$ref").and_then(Value::as_str) {
            let target = link
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(&pointer.replace("%7B", "{").replace("%7D", "}")));
            let target = target.ok_or_else(|| format!("the schema has no {link}"))?;
            return self.apply(target, value, depth + 1, left);
        }
        if let Some(kinds) = schema.get("type") {
            let fits = match kinds {
                Value::Array(kinds) => kinds.iter().any(|kind| is_kind(value, kind)),
                kind => is_kind(value, kind),
            };
            if !fits {
                return Err(format!(
                    "instance type ({}) does not match any allowed primitive type (allowed: {kinds})",
                    kind_of(value)
                ));
            }
        }
        if schema
            .get("enum")
            .and_then(Value::as_array)
            .is_some_and(|allowed| !allowed.contains(value))
        {
            return Err("instance value is not one of the enum's".into());
        }
        self.combined(schema, value, depth, left)?;
        match value {
            Value::Object(members) => self.object(schema, members, depth, left),
            Value::Array(items) => self.array(schema, items, depth, left),
            Value::String(text) => self.text(schema, text),
            Value::Number(_) => number(schema, value.as_f64().unwrap_or(0.0)),
            _ => Ok(()),
        }
    }

    fn combined(
        &self,
        schema: &Map<String, Value>,
        value: &Value,
        depth: usize,
        left: &mut usize,
    ) -> Result<(), String> {
        let all = |name: &str| schema.get(name).and_then(Value::as_array);
        for part in all("allOf").into_iter().flatten() {
            self.apply(part, value, depth + 1, left)?;
        }
        if let Some(parts) = all("anyOf")
            && !parts
                .iter()
                .any(|part| self.apply(part, value, depth + 1, left).is_ok())
        {
            return Err("instance failed to match at least one schema of anyOf".into());
        }
        if let Some(parts) = all("oneOf") {
            let matched = parts
                .iter()
                .filter(|part| self.apply(part, value, depth + 1, left).is_ok())
                .count();
            if matched != 1 {
                return Err(format!(
                    "instance failed to match exactly one schema (matched {matched} out of {})",
                    parts.len()
                ));
            }
        }
        if let Some(not) = schema.get("not")
            && self.apply(not, value, depth + 1, left).is_ok()
        {
            return Err("instance matched a schema which it should not have".into());
        }
        Ok(())
    }

    fn object(
        &self,
        schema: &Map<String, Value>,
        members: &Map<String, Value>,
        depth: usize,
        left: &mut usize,
    ) -> Result<(), String> {
        let missing: Vec<&str> = strings(schema.get("required"))
            .filter(|name| !members.contains_key(*name))
            .collect();
        if !missing.is_empty() {
            return Err(format!("object has missing required properties ({missing:?})"));
        }
        within(schema, "minProperties", "maxProperties", members.len())?;
        let known = schema.get("properties").and_then(Value::as_object);
        let by_pattern = schema.get("patternProperties").and_then(Value::as_object);
        for (name, value) in members {
            let mut covered = false;
            if let Some(part) = known.and_then(|known| known.get(name)) {
                covered = true;
                self.apply(part, value, depth + 1, left)
                    .map_err(|why| format!("{name}: {why}"))?;
            }
            for (pattern, part) in by_pattern.into_iter().flatten() {
                if self.patterns.get(pattern).is_some_and(|pattern| pattern.is_match(name)) {
                    covered = true;
                    self.apply(part, value, depth + 1, left)?;
                }
            }
            match schema.get("additionalProperties") {
                Some(Value::Bool(false)) if !covered => {
                    return Err(format!(
                        "object instance has properties which are not allowed by the schema: [{name:?}]"
                    ));
                }
                Some(part @ Value::Object(_)) if !covered => self.apply(part, value, depth + 1, left)?,
                _ => {}
            }
        }
        for (name, needed) in schema
            .get("dependencies")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if !members.contains_key(name) {
                continue;
            }
            if needed.is_array() {
                if let Some(missing) = strings(Some(needed)).find(|needed| !members.contains_key(*needed)) {
                    return Err(format!("{name} needs {missing}"));
                }
            } else {
                self.apply(needed, &Value::Object(members.clone()), depth + 1, left)?;
            }
        }
        Ok(())
    }

    fn array(
        &self,
        schema: &Map<String, Value>,
        items: &[Value],
        depth: usize,
        left: &mut usize,
    ) -> Result<(), String> {
        within(schema, "minItems", "maxItems", items.len())?;
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let mut seen: Vec<String> = items.iter().map(Value::to_string).collect();
            seen.sort_unstable();
            if seen.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err("array must not contain duplicate elements".into());
            }
        }
        match schema.get("items") {
            Some(Value::Array(parts)) => {
                for (at, item) in items.iter().enumerate() {
                    match (parts.get(at), schema.get("additionalItems")) {
                        (Some(part), _) | (None, Some(part @ Value::Object(_))) => {
                            self.apply(part, item, depth + 1, left)?
                        }
                        (None, Some(Value::Bool(false))) => return Err("array has too many elements".into()),
                        _ => {}
                    }
                }
                Ok(())
            }
            Some(part) => items
                .iter()
                .try_for_each(|item| self.apply(part, item, depth + 1, left)),
            None => Ok(()),
        }
    }

    fn text(&self, schema: &Map<String, Value>, text: &str) -> Result<(), String> {
        within(schema, "minLength", "maxLength", text.chars().count())?;
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && !self.patterns.get(pattern).is_some_and(|pattern| pattern.is_match(text))
        {
            return Err(format!("ECMA 262 regex {pattern:?} does not match input string"));
        }
        Ok(())
    }
}

fn number(schema: &Map<String, Value>, number: f64) -> Result<(), String> {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let exclusive = |name: &str| schema.get(name) == Some(&Value::Bool(true));
    let too_small = |limit: f64| number < limit || (exclusive("exclusiveMinimum") && number <= limit);
    let too_large = |limit: f64| number > limit || (exclusive("exclusiveMaximum") && number >= limit);
    if limit("minimum").is_some_and(too_small) || limit("maximum").is_some_and(too_large) {
        return Err("numeric instance is out of its bounds".into());
    }
    if let Some(step) = limit("multipleOf").filter(|step| *step > 0.0) {
        let times = number / step;
        if (times - times.round()).abs() > 1e-9 {
            return Err(format!("remainder of division by {step} is not zero"));
        }
    }
    Ok(())
}

fn within(schema: &Map<String, Value>, least: &str, most: &str, count: usize) -> Result<(), String> {
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
    let count = count as u64;
    if bound(least).is_some_and(|least| count < least) || bound(most).is_some_and(|most| count > most) {
        return Err(format!("{count} is not within {least} and {most}"));
    }
    Ok(())
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_kind(value: &Value, kind: &Value) -> bool {
    let own = kind_of(value);
    match kind.as_str() {
        Some("number") => matches!(own, "number" | "integer"),
        Some("integer") => {
            own == "integer"
                || value
                    .as_f64()
                    .is_some_and(|number| number.fract() == 0.0 && value.is_number())
        }
        Some(kind) => own == kind,
        None => false,
    }
}

/// Makes the patterns of a schema and all in it ready.
fn collect(schema: &Value, patterns: &mut HashMap<String, Regex>, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("the schema is too deep".into());
    }
    match schema {
        Value::Object(members) => {
            let own = members.get("pattern").and_then(Value::as_str);
            let names = members.get("patternProperties").and_then(Value::as_object);
            let names = names.into_iter().flat_map(|names| names.keys().map(String::as_str));
            for pattern in own.into_iter().chain(names) {
                if patterns.len() >= MAX_PATTERNS {
                    return Err("the schema has too many patterns".into());
                }
                let built = RegexBuilder::new(pattern).size_limit(1 << 18).build();
                let built = built.map_err(|_| format!("the pattern {pattern:?} cannot be used"))?;
                patterns.insert(pattern.to_owned(), built);
            }
            members
                .values()
                .try_for_each(|member| collect(member, patterns, depth + 1))
        }
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, patterns, depth + 1)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bodies_are_checked() {
        let schema = Schema::new(json!({
            "$schema": "http://json-schema.org/draft-04/schema#",
            "type": "object",
            "required": ["a"],
            "properties": {
                "a": { "type": "number", "minimum": 1 },
                "b": { "type": "string", "pattern": "^x", "maxLength": 3 },
                "c": { "type": "array", "items": { "$ref": "#/definitions/C" } },
                "d": { "oneOf": [{ "type": "null" }, { "enum": ["one"] }] }
            },
            "additionalProperties": false,
            "definitions": { "C": { "type": "integer" } }
        }))
        .unwrap();
        let fits = |value: Value| schema.validate(&value).is_ok();
        assert!(fits(json!({ "a": 1, "b": "xyz", "c": [1, 2], "d": null })));
        for wrong in [
            json!([]),
            json!({}),
            json!({ "a": 0 }),
            json!({ "a": "1" }),
            json!({ "a": 1, "b": "y" }),
            json!({ "a": 1, "b": "xxxx" }),
            json!({ "a": 1, "c": [1.5] }),
            json!({ "a": 1, "d": "two" }),
            json!({ "a": 1, "e": 0 }),
        ] {
            assert!(!fits(wrong.clone()), "{wrong}");
        }
    }

    #[test]
    fn circles_end() {
        let schema =
            Schema::new(json!({ "$ref": "#/definitions/A", "definitions": { "A": { "$ref": "#/definitions/A" } } }));
        assert!(schema.unwrap().validate(&json!(1)).is_err());
    }
}
