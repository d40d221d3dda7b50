//! The names of buses, rules and their like, and ARNs.

use crate::Error;
use danbi_core::{Arn, Scope, Timestamp};

/// The bus that everybody has.
pub(crate) const DEFAULT: &str = "default";

/// The bus that a parameter names: a name or an ARN, and whose. Without one it is the default bus.
pub(crate) fn bus(scope: &Scope, given: Option<&str>) -> (Scope, String) {
    let given = given.unwrap_or(DEFAULT);
    if let Some(arn) = given.strip_prefix("arn:").and_then(|_| given.parse::<Arn>().ok())
        && let (Some(scope), Some(name)) = (arn.scope(), arn.resource.strip_prefix("event-bus/"))
    {
        return (scope, name.to_owned());
    }
    (scope.clone(), given.to_owned())
}

pub(crate) fn bus_arn(scope: &Scope, name: &str) -> String {
    Arn::new("events", scope, format!("event-bus/{name}")).to_string()
}

pub(crate) fn rule_arn(scope: &Scope, bus: &str, name: &str) -> String {
    let resource = if bus == DEFAULT {
        format!("rule/{name}")
    } else {
        format!("rule/{bus}/{name}")
    };
    Arn::new("events", scope, resource).to_string()
}

pub(crate) fn archive_arn(scope: &Scope, name: &str) -> String {
    Arn::new("events", scope, format!("archive/{name}")).to_string()
}

pub(crate) fn replay_arn(scope: &Scope, name: &str) -> String {
    Arn::new("events", scope, format!("replay/{name}")).to_string()
}

/// What an ARN of this service names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    Bus(String),
    Rule { bus: String, name: String },
}

/// The resource that can bear tags with this ARN.
pub(crate) fn tagged(scope: &Scope, arn: &str) -> Result<Resource, Error> {
    let wrong =
        || Error::validation("Parameter ResourceARN is not valid. Reason: Provided Arn is not in correct format.");
    let parsed: Arn = arn.parse().map_err(|_| wrong())?;
    if parsed.service != "events" || parsed.scope().as_ref() != Some(scope) {
        return Err(wrong());
    }
    if let Some(name) = parsed.resource.strip_prefix("event-bus/") {
        return Ok(Resource::Bus(name.into()));
    }
    let rule = parsed.resource.strip_prefix("rule/").ok_or_else(wrong)?;
    let (bus, name) = rule.rsplit_once('/').unwrap_or((DEFAULT, rule));
    Ok(Resource::Rule {
        bus: bus.into(),
        name: name.into(),
    })
}

pub(crate) fn no_bus(name: &str) -> Error {
    Error::NotFound(format!("Event bus {name} does not exist."))
}

pub(crate) fn no_rule(bus: &str, name: &str) -> Error {
    Error::NotFound(format!("Rule {name} does not exist on EventBus {bus}."))
}

/// `2026-01-02T03:04:05Z`, as events bear it.
pub(crate) fn event_time(time: Timestamp) -> String {
    let at = time.to_datetime();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// The names in a listing that begin behind `token`, which an earlier answer gave.
pub(crate) fn token_of(name: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(name)
}

/// The name in a token; what no answer gave is an error.
pub(crate) fn name_of_token(token: &str) -> Result<String, Error> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Error::validation("Parameter NextToken is not valid."))
}
