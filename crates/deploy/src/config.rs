//! `danbi.toml`, `danbi.yaml`, `danbi.json`: one schema, from one definition. Unknown keys are errors with a suggestion.

use crate::{DeployError, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The file names that are looked for, in this order.
pub const FILE_NAMES: [&str; 4] = ["danbi.toml", "danbi.yaml", "danbi.yml", "danbi.json"];

/// What an app's folder says about itself. Every key may be left out: `danbi deploy` finds out what it can.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Danbi app")]
pub struct Config {
    /// Where editors find the schema of this file. Ignored.
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The app's name and host name: 1 to 63 lower-case letters, digits and hyphens. Default: the folder's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: Option<String>,
    /// What the folder is, when the guess is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The Lambda runtime, such as `python3.12` or `nodejs20.x`. Default: that of the interpreter found here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// For a Lambda handler: `file.function`, such as `app.handler`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// For an HTTP server: the shell command that starts it. It must listen on `$PORT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// For a static site: the folder to serve, relative to this file.
    #[serde(rename = "static", skip_serializing_if = "Option::is_none")]
    pub static_dir: Option<String>,
    /// A shell command that runs before packaging, in a copy of the folder, such as `npm run build`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Whether dependencies are installed into the package. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<bool>,
    /// Memory of one environment in MiB, 128 to 10240. Default: 512.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 128, max = 10240))]
    pub memory: Option<u32>,
    /// Seconds that one request may take, 1 to 900. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 900))]
    pub timeout: Option<u32>,
    /// Size of `/tmp` in MiB, 512 to 10240. Default: 512.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 512, max = 10240))]
    pub storage: Option<u32>,
    /// How many requests one environment takes at once: a server 1 to 1000, a handler that can take several 1 to 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrency: Option<u32>,
    /// How many environments may run at once. Default: as many as the account has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_environments: Option<u32>,
    /// For an HTTP server: a path that answers 2xx once it is ready. Default: ready when the port accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_path: Option<String>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Patterns (as in .gitignore) of files that go in although a rule would leave them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Patterns (as in .gitignore) of files that stay out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// The region that the app belongs to. Default: `AWS_REGION`, else `us-east-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The ARN of the role that the app runs as. Default: a role of the app's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// One line about the app, at most 256 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub description: Option<String>,
}

impl Config {
    /// Reads the folder's configuration file; the default when there is none.
    ///
    /// # Errors
    /// When two of [`FILE_NAMES`] exist, when the file is not TOML, YAML or JSON, and when a key is unknown or its value
    /// breaks the schema.
    pub fn load(folder: &Path) -> Result<Self, DeployError> {
        let found: Vec<PathBuf> = FILE_NAMES
            .iter()
            .map(|name| folder.join(name))
            .filter(|path| path.is_file())
            .collect();
        match found.as_slice() {
            [] => Ok(Self::default()),
            [file] => {
                let text = fs::read_to_string(file).map_err(DeployError::io("read", file))?;
                Self::parse(file, &text)
            }
            [first, second, ..] => Err(DeployError::Unclear {
                problem: format!("both {} and {} exist", first.display(), second.display()),
                advice: "keep one of them".into(),
            }),
        }
    }

    /// Reads `text` as the format that the name of `file` says.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(file: &Path, text: &str) -> Result<Self, DeployError> {
        let wrong = |problem: String, advice: &str| DeployError::Config {
            file: file.to_owned(),
            problem,
            advice: advice.into(),
        };
        let value: Value = match file.extension().and_then(|extension| extension.to_str()) {
            Some("json") => serde_json::from_str(text).map_err(|e| wrong(e.to_string(), "correct the JSON"))?,
            Some("yaml" | "yml") => {
                serde_saphyr::from_str(text).map_err(|e| wrong(e.to_string(), "correct the YAML"))?
            }
            _ => toml::from_str(text).map_err(|e| wrong(e.to_string(), "correct the TOML"))?,
        };
        // An empty YAML document is null, and says as little as an empty TOML file.
        let value = if value.is_null() {
            Value::Object(serde_json::Map::new())
        } else {
            value
        };
        let Some(keys) = value.as_object() else {
            return Err(wrong(
                "the file must hold keys and values".into(),
                "`danbi init` writes an example",
            ));
        };
        let known = known_keys();
        for key in keys.keys() {
            if !known.contains(key) {
                let advice = match nearest(key, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the keys are: {}", known.join(", ")),
                };
                return Err(wrong(format!("unknown key `{key}`"), &advice));
            }
        }
        for (key, value) in keys {
            check_type(key, value)
                .map_err(|problem| wrong(problem, "see `danbi init --schema` for what each key takes"))?;
        }
        let config: Self = serde_json::from_value(value)
            .map_err(|e| wrong(e.to_string(), "see `danbi init --schema` for what each key takes"))?;
        config.check().map_err(|(problem, advice)| wrong(problem, &advice))?;
        Ok(config)
    }

    /// The bounds that types alone do not hold.
    fn check(&self) -> Result<(), (String, String)> {
        let within = |key: &str, value: Option<u32>, low: u32, high: u32| match value {
            Some(value) if !(low..=high).contains(&value) => Err((
                format!("`{key}` is {value}"),
                format!("it must be between {low} and {high}"),
            )),
            _ => Ok(()),
        };
        within("memory", self.memory, 128, 10_240)?;
        within("timeout", self.timeout, 1, 900)?;
        within("storage", self.storage, 512, 10_240)?;
        within("concurrency", self.concurrency, 1, 1_000)?;
        if let Some(name) = &self.name {
            check_name(name).map_err(|problem| (problem, "use lower-case letters, digits and hyphens".to_owned()))?;
        }
        let ways = [
            ("handler", &self.handler),
            ("command", &self.command),
            ("static", &self.static_dir),
        ];
        let given: Vec<&str> = ways
            .iter()
            .filter(|(_, value)| value.is_some())
            .map(|(key, _)| *key)
            .collect();
        if given.len() > 1 {
            return Err((
                format!("`{}` exclude each other", given.join("` and `")),
                "keep one of them".into(),
            ));
        }
        Ok(())
    }
}

/// Whether `name` can be an app's name: a DNS label, so that it can be a host name.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_name(name: &str) -> Result<(), String> {
    let grammar = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if grammar && (1..=63).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(());
    }
    Err(format!(
        "{name:?} cannot be an app's name: 1 to 63 lower-case letters, digits and inner hyphens"
    ))
}

/// The JSON Schema of the configuration file, as `docs/danbi.schema.json` holds it.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    if let Some(top) = schema.as_object_mut() {
        top.insert("$id".into(), "danbi.schema.json".into());
    }
    schema
}

fn known_keys() -> Vec<String> {
    let schema = schema();
    let properties = schema["properties"].as_object();
    properties
        .map(|keys| keys.keys().cloned().collect())
        .unwrap_or_default()
}

fn nearest<'a>(key: &str, known: &'a [String]) -> Option<&'a str> {
    let score = |candidate: &str| strsim::jaro_winkler(&key.to_lowercase(), candidate);
    let best = known
        .iter()
        .map(|candidate| (score(candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.75).then_some(best.1.as_str())
}

/// serde's own message for a wrong type does not name the key; this one does.
fn check_type(key: &str, value: &Value) -> Result<(), String> {
    let expected = match key {
        "memory" | "timeout" | "storage" | "concurrency" | "max_environments" if !value.is_u64() => "a whole number",
        "install" if !value.is_boolean() => "true or false",
        "include" | "exclude" if !value.is_array() => "a list of patterns",
        "env" => {
            let Some(variables) = value.as_object() else {
                return Err(format!("`env` must be a table of names and texts, not {value}"));
            };
            return match variables.iter().find(|(_, value)| !value.is_string()) {
                Some((name, value)) => Err(format!("`env.{name}` must be a text, not {value}: put it in quotes")),
                None => Ok(()),
            };
        }
        "memory" | "timeout" | "storage" | "concurrency" | "max_environments" | "install" | "include" | "exclude" => {
            return Ok(());
        }
        _ if !value.is_string() => "a text",
        _ => return Ok(()),
    };
    Err(format!("`{key}` must be {expected}, not {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, text: &str) -> Result<Config, DeployError> {
        Config::parse(Path::new(name), text)
    }

    #[test]
    fn the_three_formats_say_the_same() {
        let toml = parse("danbi.toml", "name = \"a\"\nmemory = 256\n[env]\nX = \"1\"\n").unwrap();
        let yaml = parse("danbi.yaml", "name: a\nmemory: 256\nenv:\n  X: '1'\n").unwrap();
        let json = parse("danbi.json", r#"{"name":"a","memory":256,"env":{"X":"1"}}"#).unwrap();
        assert_eq!(toml, yaml);
        assert_eq!(toml, json);
        assert_eq!(parse("danbi.yml", "").unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_is_named_with_a_suggestion() {
        let error = parse("danbi.toml", "memroy = 256").unwrap_err();
        assert_eq!(error.to_string(), "danbi.toml: unknown key `memroy`");
        assert_eq!(error.advice(), "did you mean `memory`?");
        assert!(
            parse("danbi.toml", "qqq = 1")
                .unwrap_err()
                .advice()
                .starts_with("the keys are: ")
        );
    }

    #[test]
    fn a_wrong_value_names_its_key() {
        for (text, expected) in [
            ("memory = \"big\"", "`memory` must be a whole number, not \"big\""),
            ("memory = 64", "`memory` is 64"),
            (
                "env = { PORT = 1 }",
                "`env.PORT` must be a text, not 1: put it in quotes",
            ),
            ("name = \"A b\"", "cannot be an app's name"),
            ("command = \"x\"\nhandler = \"a.b\"", "exclude each other"),
            ("kind = \"cobol\"", "unknown variant `cobol`"),
        ] {
            let error = parse("danbi.toml", text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
