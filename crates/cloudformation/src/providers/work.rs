//! What a provider is given, and what it gives back.

use super::Provider;
use crate::engine::CloudFormation;
use crate::engine::plan;
use crate::names::{self, Naming};
use crate::records::Tag;
use crate::template::parameters::text_of;
use danbi_core::{ApiCall, RequestContext, ServiceError, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What a provider's call comes to.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Why a resource could not be made, changed or removed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub code: String,
    pub message: String,
    service: Option<(String, u16)>,
    /// What was made before it failed, by its id.
    pub partial: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            service: None,
            partial: None,
        }
    }

    /// The platform stops: not a failure, but to be gone on with.
    pub(crate) fn stop() -> Self {
        Self::new("\u{0}stop", "")
    }

    pub(crate) fn is_stop(&self) -> bool {
        self.code == "\u{0}stop"
    }

    /// Says what is there already.
    pub(crate) fn after(mut self, id: &str) -> Self {
        self.partial.get_or_insert_with(|| id.to_owned());
        self
    }

    /// Whether it means that the resource is not there.
    pub(crate) fn is_absent(&self) -> bool {
        let code = self.code.as_str();
        ["NotFound", "NonExistent", "DoesNotExist"]
            .iter()
            .any(|part| code.contains(part))
            || code.starts_with("NoSuch")
            || code == "404"
    }

    /// Whether it means that something of that name is there.
    pub(crate) fn is_conflict(&self) -> bool {
        let code = self.code.as_str();
        code.contains("AlreadyExists")
            || code.contains("AlreadyOwned")
            || code == "ResourceConflictException"
            || code == "ConflictException"
            || code == "ResourceInUseException"
            || code == "BucketAlreadyExists"
    }

    /// As events tell it.
    pub(crate) fn reason(&self, work: &Work<'_>) -> String {
        let Some((service, status)) = &self.service else {
            return self.message.clone();
        };
        let handler = match self {
            _ if self.is_absent() => "NotFound",
            _ if self.is_conflict() => "AlreadyExists",
            _ if *status == 403 => "AccessDenied",
            _ if *status >= 500 => "ServiceInternalError",
            _ => "InvalidRequest",
        };
        format!(
            "Resource handler returned message: \"{} (Service: {service}, Status Code: {status}, Request ID: {})\" \
             (RequestToken: {}, HandlerErrorCode: {handler})",
            self.message, work.context.request_id, work.token
        )
    }
}

/// A resource that is there.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub id: String,
    /// What `Ref` gives, where it is not the id.
    pub reference: Option<String>,
    pub attributes: Map<String, Value>,
}

impl Made {
    pub(crate) fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    /// Adds what `Fn::GetAtt` gives; nothing for a value that is not there.
    pub(crate) fn with(mut self, attribute: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_null() {
            self.attributes.insert(attribute.to_owned(), value);
        }
        self
    }

    /// Says that `Ref` gives something else than the id.
    pub(crate) fn referred(mut self, reference: impl Into<String>) -> Self {
        self.reference = Some(reference.into());
        self
    }
}

/// What providers know of the stack.
#[derive(Debug, Clone)]
pub(crate) struct Stacked {
    pub id: String,
    pub name: String,
    pub uuid: String,
    pub capabilities: Vec<String>,
    pub notification_arns: Vec<String>,
    pub role_arn: Option<String>,
}

/// One resource to be worked on.
pub(crate) struct Work<'a> {
    pub engine: &'a Arc<CloudFormation>,
    pub context: &'a RequestContext,
    pub stack: &'a Stacked,
    pub logical_id: &'a str,
    pub kind: &'a str,
    /// What it is to be; when it is removed, what it is.
    pub properties: &'a Value,
    /// What it was, at an update.
    pub old: Option<&'a Value>,
    /// Of the stack.
    pub tags: &'a [Tag],
    pub old_tags: &'a [Tag],
    /// The same for each repetition of this step.
    pub token: &'a str,
    /// When the step began first.
    pub started: Timestamp,
    /// Whether the platform ended in the middle of this step before.
    pub resumed: bool,
    /// Whether a snapshot is to be taken of what is removed.
    pub snapshot: bool,
    /// Turns true when nobody wants to wait any longer.
    pub interrupt: watch::Receiver<bool>,
}

impl Work<'_> {
    /// Does what a request of whoever asked for the stack would do.
    pub(crate) async fn call(&self, service: &str, operation: &str, input: Value) -> Outcome<Value> {
        let call = ApiCall::new(service, operation, input);
        self.engine
            .api
            .call(self.context, call)
            .await
            .map_err(|error| failure(service, error))
    }

    /// A call that makes something: `None` when it is a repetition and the first attempt was heard.
    pub(crate) async fn make(&self, service: &str, operation: &str, input: Value) -> Outcome<Option<Value>> {
        match self.call(service, operation, input).await {
            Ok(output) => Ok(Some(output)),
            Err(failure) if self.resumed && failure.is_conflict() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// A call that removes something: what is not there is removed.
    pub(crate) async fn remove(&self, service: &str, operation: &str, input: Value) -> Outcome<()> {
        match self.call(service, operation, input).await {
            Err(failure) if !failure.is_absent() => Err(failure),
            _ => Ok(()),
        }
    }

    /// Repeats a call until `is_ready` says so of its output.
    pub(crate) async fn until(
        &self,
        service: &str,
        operation: &str,
        input: Value,
        is_ready: fn(&Value) -> bool,
    ) -> Outcome<Value> {
        let mut pause = Duration::from_millis(2);
        loop {
            let output = self.call(service, operation, input.clone()).await?;
            if is_ready(&output) {
                return Ok(output);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// A property.
    pub(crate) fn get(&self, property: &str) -> &Value {
        self.properties.get(property).unwrap_or(&Value::Null)
    }

    /// A property that is text (or a number or a boolean).
    pub(crate) fn text(&self, property: &str) -> Option<String> {
        match self.get(property) {
            Value::Null | Value::Array(_) | Value::Object(_) => None,
            value => Some(text_of(value)),
        }
    }

    /// A property that is text and must be there.
    pub(crate) fn must(&self, property: &str) -> Outcome<String> {
        self.text(property).ok_or_else(|| missing(property))
    }

    pub(crate) fn truth(&self, property: &str) -> bool {
        self.text(property)
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// The text of a document that a template may write as text or as a tree.
    pub(crate) fn document(&self, property: &str) -> Option<String> {
        match self.get(property) {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            tree => Some(tree.to_string()),
        }
    }

    /// An input of the properties with these names.
    pub(crate) fn pick(&self, properties: &[&str]) -> Value {
        let present = properties
            .iter()
            .filter_map(|name| Some((*name, self.properties.get(*name)?)));
        Value::Object(present.map(|(name, value)| (name.to_owned(), value.clone())).collect())
    }

    /// An input of the properties with these names, which the API writes with a small first letter, all the way down.
    pub(crate) fn pick_lower(&self, properties: &[&str]) -> Value {
        let present = properties
            .iter()
            .filter_map(|name| Some((*name, self.properties.get(*name)?)));
        Value::Object(present.map(|(name, value)| (lower(name), value.clone())).collect())
    }

    /// Whether an update changes this property.
    pub(crate) fn changes(&self, property: &str) -> bool {
        let old = self.old.and_then(|old| old.get(property));
        let one = |value: Option<&Value>| {
            Value::Object(
                value
                    .map(|value| (property.to_owned(), value.clone()))
                    .into_iter()
                    .collect(),
            )
        };
        !plan::changed(&one(old), &one(self.properties.get(property))).is_empty()
    }

    /// Whether an update changes one of these properties.
    pub(crate) fn changes_any(&self, properties: &[&str]) -> bool {
        properties.iter().any(|property| self.changes(property))
    }

    /// A property as it was.
    pub(crate) fn before(&self, property: &str) -> &Value {
        self.old.and_then(|old| old.get(property)).unwrap_or(&Value::Null)
    }

    /// The name that the template gives, or one made of the stack's, the resource's and this step's.
    pub(crate) fn name(&self, property: &str, naming: Naming) -> String {
        self.text(property)
            .unwrap_or_else(|| names::generated(&self.stack.name, self.logical_id, self.token, naming))
    }

    /// An id for a resource that has none of its own.
    pub(crate) fn made_up_id(&self) -> String {
        names::generated(&self.stack.name, self.logical_id, self.token, Naming::up_to(255))
    }

    /// The stack's tags and the resource's own, which win: key → value.
    pub(crate) fn tag_map(&self) -> Map<String, Value> {
        tag_map(self.tags, self.get("Tags"))
    }

    /// The same as `[{Key, Value}]`; nothing when there are none.
    pub(crate) fn tag_list(&self) -> Value {
        let all: Vec<Value> = self
            .tag_map()
            .into_iter()
            .map(|(key, value)| json!({ "Key": key, "Value": value }))
            .collect();
        if all.is_empty() { Value::Null } else { Value::Array(all) }
    }

    /// What an update does to the tags: those to set, and the keys to take away.
    pub(crate) fn tag_changes(&self) -> (Map<String, Value>, Vec<String>) {
        let new = self.tag_map();
        let old = tag_map(self.old_tags, self.before("Tags"));
        let gone = old.keys().filter(|key| !new.contains_key(*key)).cloned().collect();
        let set = new
            .into_iter()
            .filter(|(key, value)| old.get(key) != Some(value))
            .collect();
        (set, gone)
    }

    /// Changes the tags by a service's own two operations.
    pub(crate) async fn retag(
        &self,
        service: &str,
        [tag, untag]: [&str; 2],
        [id, tags, keys]: [&str; 3],
        resource: &str,
        as_list: bool,
    ) -> Outcome<()> {
        let (set, gone) = self.tag_changes();
        if !set.is_empty() {
            let set = if as_list { list(&set) } else { Value::Object(set) };
            self.call(service, tag, json!({ id: resource, tags: set })).await?;
        }
        if !gone.is_empty() {
            self.call(service, untag, json!({ id: resource, keys: gone })).await?;
        }
        Ok(())
    }

    /// Which required property is missing.
    pub(crate) fn missing(&self, provider: &dyn Provider) -> Option<Failure> {
        let missing = |name: &&&str| self.properties.get(**name).is_none();
        let name = provider.required().iter().find(missing)?;
        Some(Failure::new(
            "InvalidRequest",
            format!("Property validation failure: [The property {{/{name}}} is required]"),
        ))
    }

    /// Whether the name that the template gives is taken, before anything is made.
    pub(crate) async fn taken(&self, provider: &dyn Provider) -> Option<Failure> {
        let name = self.text(provider.name_property()?)?;
        let probe = provider.probe(&name)?;
        let there = self.engine.api.call(self.context, probe).await;
        there
            .is_ok()
            .then(|| Failure::new("AlreadyExists", format!("{name} already exists")))
    }

    /// An ARN in the stack's account and region.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:aws:{service}:{}:{}:{resource}",
            self.context.scope.region, self.context.scope.account
        )
    }
}

fn tag_map(stack: &[Tag], own: &Value) -> Map<String, Value> {
    let mut all: Map<String, Value> = stack
        .iter()
        .map(|tag| (tag.key.clone(), Value::String(tag.value.clone())))
        .collect();
    match own {
        Value::Array(items) => {
            for item in items {
                if let (Some(key), Some(value)) = (item.get("Key").and_then(Value::as_str), item.get("Value")) {
                    all.insert(key.to_owned(), Value::String(text_of(value)));
                }
            }
        }
        Value::Object(map) => all.extend(
            map.iter()
                .map(|(key, value)| (key.clone(), Value::String(text_of(value)))),
        ),
        _ => {}
    }
    all
}

/// `[{Key, Value}]`.
pub(crate) fn list(tags: &Map<String, Value>) -> Value {
    tags.iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect()
}

/// With a small first letter.
pub(crate) fn lower(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(letters)
        .collect()
}

/// The tree with small first letters in all keys.
pub(crate) fn lower_keys(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (lower(key), lower_keys(value))).collect()),
        Value::Array(items) => items.iter().map(lower_keys).collect(),
        other => other.clone(),
    }
}

/// Members of `further` added to `input`; nothing replaces nothing.
pub(crate) fn and(mut input: Value, further: Value) -> Value {
    if let (Value::Object(input), Value::Object(further)) = (&mut input, further) {
        input.extend(further.into_iter().filter(|(_, value)| !value.is_null()));
    }
    input
}

pub(crate) fn missing(property: &str) -> Failure {
    Failure::new(
        "InvalidRequest",
        format!("Property validation failure: [The property {{/{property}}} is required]"),
    )
}

/// A member of an output that must be there.
pub(crate) fn output_text(output: &Value, pointer: &str) -> Outcome<String> {
    match output.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        _ => Err(Failure::new("InternalFailure", format!("the answer has no {pointer}"))),
    }
}

fn failure(service: &str, error: ServiceError) -> Failure {
    Failure {
        code: error.code.to_owned(),
        message: error.message,
        service: Some((service.to_owned(), error.status)),
        partial: None,
    }
}
