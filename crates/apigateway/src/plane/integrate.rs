//! From a call to the integration's answer, and from that to a response.

use super::call::Call;
use super::compiled::{Compiled, CompiledMethod, Templates};
use super::failure::Failure;
use super::journal::Journal;
use super::mapping::{self, Mapped};
use super::{aws, binary, functions, http, mock, proxy_answer};
use crate::ApiGateway;
use crate::integrations::function_of;
use crate::vtl::{Rendered, Scene, Template, VtlError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use danbi_core::{Principal, RequestContext, SourceResource};
use serde_json::Value;
use std::time::Duration;

/// Most that an integration may be waited for, and most bytes of its answer; AWS's limits.
const MAX_WAIT: Duration = Duration::from_secs(29);
pub(crate) const MAX_ANSWER: usize = 10 * 1024 * 1024;

/// What an integration answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// What selection patterns are held against: a function's error message, else the status.
    pub selector: String,
}

/// What the client is answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Outcome {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// A call at its method, with what integrating it needs.
pub(crate) struct Work<'a> {
    pub gateway: &'a ApiGateway,
    pub compiled: &'a Compiled,
    pub method: &'a CompiledMethod,
    pub call: &'a Call,
    /// Who called, for integrations that pass the caller on.
    pub caller: &'a Principal,
    pub journal: &'a Journal,
}

/// What goes to the integration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub mapped: Mapped,
    pub body: Bytes,
    /// What the request template wants of the response.
    pub response_override: Option<Value>,
}

impl Work<'_> {
    /// Asks the integration and makes the response.
    pub(crate) async fn run(&self) -> Result<Outcome, Failure> {
        let integration = &self.method.integration;
        let given = u64::try_from(integration.timeout_in_millis.unwrap_or(29_000)).unwrap_or(29_000);
        let wait = Duration::from_millis(given).min(MAX_WAIT);
        match tokio::time::timeout(wait, self.integrate()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::timeout()),
        }
    }

    async fn integrate(&self) -> Result<Outcome, Failure> {
        match self.method.integration.r#type.as_deref().unwrap_or_default() {
            "MOCK" => {
                let asked = self.asked()?;
                let answer = mock::answer(&asked)?;
                self.respond(&asked, &answer)
            }
            "AWS_PROXY" => {
                let answer = functions::proxy(self).await?;
                proxy_answer::outcome(self, &answer)
            }
            "HTTP_PROXY" => http::proxy(self).await,
            "HTTP" => {
                let asked = self.asked()?;
                let answer = http::custom(self, &asked).await?;
                self.respond(&asked, &answer)
            }
            "AWS" => {
                let asked = self.asked()?;
                let uri = self.method.integration.uri.as_deref().unwrap_or_default();
                let answer = match function_of(uri) {
                    Some(_) => functions::custom(self, &asked).await?,
                    None => aws::answer(self, &asked).await?,
                };
                self.respond(&asked, &answer)
            }
            other => Err(Failure::configuration(format!("Unknown integration type {other}"))),
        }
    }

    /// `$context` at this method.
    pub(crate) fn context(&self) -> Value {
        self.call.context()
    }

    /// The context in which the platform asks others for this API.
    pub(crate) async fn acting(&self) -> Result<RequestContext, Failure> {
        let scope = self.compiled.scope.clone();
        let source = SourceResource {
            arn: self.call.source_arn(scope.region.as_str()),
            account: scope.account.clone(),
        };
        let service = "apigateway.amazonaws.com";
        let principal = match self.method.integration.credentials.as_deref() {
            None | Some("") => Principal::Service(service.into()),
            Some("arn:aws:iam::*:user/*") => self.caller.clone(),
            Some(role) => {
                let role = self.with_variables(role);
                let role = role
                    .parse()
                    .map_err(|_| Failure::configuration("Invalid credentials of the integration"))?;
                let acting = self
                    .gateway
                    .parts
                    .roles
                    .act_as(&role, service, "BackplaneAssumeRoleSession", Some(&source))
                    .await;
                acting.map_err(|error| {
                    Failure::configuration(format!(
                        "Execution failed due to configuration error: API Gateway does not have permission to assume the provided role: {}",
                        error.message
                    ))
                })?
            }
        };
        // One id for the whole story: what the client got as `x-amzn-requestid` is what the function logs.
        Ok(RequestContext {
            request_id: self.call.request_id,
            ..RequestContext::inside(scope, principal, Some(source))
        })
    }

    /// Puts stage variables into a URI.
    pub(crate) fn with_variables(&self, text: &str) -> String {
        super::substituted(text, self.compiled.stage.variables.as_ref())
    }

    fn scene<'s>(&'s self, body: &'s str, context: &'s Value, params: &'s crate::vtl::Params) -> Scene<'s> {
        Scene {
            body,
            params: Some(params),
            context,
            stage_variables: self.compiled.stage.variables.as_ref(),
        }
    }

    /// What goes to an integration that is no proxy: mapped, and through the template for its content type.
    fn asked(&self) -> Result<Asked, Failure> {
        let integration = &self.method.integration;
        let context = self.context();
        let mut mapped = mapping::request(integration.request_parameters.as_ref(), self.call, &context);
        let body = self.request_body();
        let template = choose_request(
            &self.method.request_templates,
            self.call.content_type(),
            integration.passthrough_behavior.as_deref().unwrap_or("WHEN_NO_MATCH"),
        )?;
        let Some(template) = template else {
            return Ok(Asked {
                mapped,
                body,
                response_override: None,
            });
        };
        let text = String::from_utf8_lossy(&body);
        let rendered = rendered(template, &self.scene(&text, &context, &self.call.params()))?;
        override_request(&mut mapped, rendered.request_override.as_ref());
        // A mock has no endpoint.
        if integration.r#type.as_deref() != Some("MOCK") {
            self.journal
                .note(|| format!("Endpoint request body after transformations: {}", cut(&rendered.text)));
        }
        Ok(Asked {
            mapped,
            body: rendered.text.into(),
            response_override: rendered.response_override,
        })
    }

    /// The body as the integration's content handling wants it.
    pub(crate) fn request_body(&self) -> Bytes {
        let types = self
            .compiled
            .definition
            .api
            .binary_media_types
            .as_deref()
            .unwrap_or_default();
        let is_binary = binary::is_binary(self.call.header("content-type").unwrap_or("application/json"), types);
        convert(
            &self.call.body,
            self.method.integration.content_handling.as_deref(),
            is_binary,
        )
    }

    /// The response for what an integration that is no proxy answered.
    fn respond(&self, asked: &Asked, answer: &Answer) -> Result<Outcome, Failure> {
        let fits = |pattern: &Option<regex::Regex>| {
            pattern
                .as_ref()
                .is_some_and(|pattern| pattern.is_match(&answer.selector))
        };
        let responses = &self.method.responses;
        let chosen = responses.iter().find(|response| fits(&response.pattern));
        let chosen = chosen.or_else(|| responses.iter().find(|response| response.pattern.is_none()));
        let chosen = chosen.ok_or_else(|| {
            Failure::configuration(
                "Execution failed due to configuration error: No match for output mapping and no default endpoint response configured",
            )
        })?;
        let mut context = self.context();
        // What the request template set is there for the response's.
        if let Some(overrides) = &asked.response_override {
            context["responseOverride"] = overrides.clone();
        }
        let types = self
            .compiled
            .definition
            .api
            .binary_media_types
            .as_deref()
            .unwrap_or_default();
        let accept = self.call.header("accept").unwrap_or("application/json");
        let (kind, template) = choose_response(&chosen.templates, accept);
        let mut outcome = Outcome {
            status: chosen.status,
            headers: Vec::new(),
            body: answer.body.clone(),
        };
        let mut overrides = asked.response_override.clone();
        if let Some(template) = template {
            let text = String::from_utf8_lossy(&answer.body);
            let rendered = rendered(template, &self.scene(&text, &context, &self.call.params()))?;
            outcome.body = rendered.text.into();
            overrides = rendered.response_override.or(overrides);
        }
        let handling = chosen.response.content_handling.as_deref();
        outcome.body = convert(&outcome.body, handling, binary::is_binary(accept, types));
        let kind = kind
            .or(chosen.content_type.clone())
            .unwrap_or_else(|| "application/json".into());
        outcome.headers.push(("Content-Type".into(), kind));
        for (target, from) in chosen.response.response_parameters.iter().flatten() {
            let value = mapping::of_response(
                from,
                answer,
                self.call,
                &context,
                self.compiled.stage.variables.as_ref(),
            );
            if let (Some(name), Some(value)) = (target.strip_prefix("method.response.header."), value) {
                set(&mut outcome.headers, name, value);
            }
        }
        if let Some(overrides) = overrides {
            override_response(&mut outcome, &overrides);
        }
        self.journal.note(|| {
            format!(
                "Method response body after transformations: {}",
                cut(&String::from_utf8_lossy(&outcome.body))
            )
        });
        Ok(outcome)
    }
}

/// Sets a header.
pub(crate) fn set(headers: &mut Vec<(String, String)>, name: &str, value: String) {
    headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    headers.push((name.into(), value));
}

/// A line of a log does not carry a whole body.
pub(crate) fn cut(text: &str) -> &str {
    match text.char_indices().nth(1024) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

fn rendered(template: &Result<Template, VtlError>, scene: &Scene<'_>) -> Result<Rendered, Failure> {
    let made = match template {
        Ok(template) => template.render(scene),
        Err(error) => Err(error.clone()),
    };
    made.map_err(|error| Failure::configuration(format!("Execution failed due to a template error: {error}")))
}

/// The template for a content type; `None` when the body passes through.
fn choose_request<'t>(
    templates: &'t Templates,
    kind: &str,
    behavior: &str,
) -> Result<Option<&'t Result<Template, VtlError>>, Failure> {
    let found = templates.get(kind).or_else(|| templates.get("$default"));
    match (found, behavior) {
        (Some(template), _) => Ok(Some(template)),
        (None, "NEVER") => Err(Failure::unsupported_media()),
        (None, "WHEN_NO_TEMPLATES") if !templates.is_empty() => Err(Failure::unsupported_media()),
        (None, _) => Ok(None),
    }
}

/// The template for what the client accepts, else the first, and its content type.
fn choose_response<'t>(
    templates: &'t Templates,
    accept: &str,
) -> (Option<String>, Option<&'t Result<Template, VtlError>>) {
    let mut accepted = accept
        .split(',')
        .map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let found = accepted.find_map(|kind| templates.get_key_value(kind));
    let found = found
        .or_else(|| templates.get_key_value("application/json"))
        .or_else(|| templates.iter().next());
    match found {
        Some((kind, template)) => (Some(kind.clone()), Some(template)),
        None => (None, None),
    }
}

fn convert(body: &Bytes, handling: Option<&str>, is_binary: bool) -> Bytes {
    match handling {
        Some("CONVERT_TO_TEXT") if is_binary => STANDARD.encode(body).into(),
        Some("CONVERT_TO_BINARY") => STANDARD.decode(body).map_or_else(|_| body.clone(), Into::into),
        _ => body.clone(),
    }
}

fn pairs(overrides: &Value, part: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), Into::into);
    let members = overrides[part].as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), text(value))).collect()
}

fn override_request(mapped: &mut Mapped, overrides: Option<&Value>) {
    let Some(overrides) = overrides else { return };
    for (name, value) in pairs(overrides, "header") {
        set(&mut mapped.headers, &name, value);
    }
    for (name, value) in pairs(overrides, "querystring") {
        mapped.query.retain(|(own, _)| *own != name);
        mapped.query.push((name, value));
    }
    mapped.path.extend(pairs(overrides, "path"));
}

fn override_response(outcome: &mut Outcome, overrides: &Value) {
    let status = match &overrides["status"] {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let status = status
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (100..600).contains(status));
    outcome.status = status.unwrap_or(outcome.status);
    for (name, value) in pairs(overrides, "header") {
        set(&mut outcome.headers, &name, value);
    }
}
