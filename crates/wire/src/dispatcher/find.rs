//! Which service, protocol and operation a request addresses.

use crate::Service;
use crate::model::{Model, OperationModel};
use crate::protocol::{Protocol, parse_form};
use crate::route::{Match, NoMatch};
use bytes::Bytes;
use danbi_core::ServiceError;
use http::header::CONTENT_TYPE;
use http::request::Parts;

/// An operation and the labels of its path.
pub(super) struct Found<'m> {
    pub(super) operation: &'m OperationModel,
    pub(super) labels: Vec<(String, String)>,
}

/// What is known of the operation before the body is read.
pub(super) enum Target<'m> {
    /// The operation.
    Known(Match<'m>),
    /// The form in the body names it.
    InForm,
}

fn header<'p>(parts: &'p Parts, name: &str) -> Option<&'p str> {
    parts.headers.get(name)?.to_str().ok()
}

fn content_type(parts: &Parts) -> &str {
    header(parts, CONTENT_TYPE.as_str()).unwrap_or_default()
}

fn rpc_v2_path(path: &str) -> Option<(&str, &str)> {
    let (service, operation) = path.rsplit_once("/operation/")?;
    let (_, service) = service.rsplit_once("/service/")?;
    Some((service.rsplit('.').next()?, operation))
}

/// How to answer a request of which nothing else is known.
pub(super) fn guess_protocol(parts: &Parts) -> Protocol {
    if header(parts, "smithy-protocol").is_some() {
        Protocol::RpcV2Cbor
    } else if content_type(parts).starts_with("application/x-amz-json-1.0") {
        Protocol::Json10
    } else if header(parts, "x-amz-target").is_some() {
        Protocol::Json11
    } else if content_type(parts).starts_with("application/x-www-form-urlencoded") || query_action(parts).is_some() {
        Protocol::Query
    } else {
        Protocol::RestJson
    }
}

fn query_action(parts: &Parts) -> Option<String> {
    let form = parse_form(parts.uri.query()?).ok()?;
    form.into_iter()
        .find(|(name, _)| name == "Action")
        .map(|(_, value)| value)
}

/// The addressed service: by the credential scope, else by what only one service's requests look like.
pub(super) fn service<'s>(services: &'s [Service], parts: &Parts, scope: Option<&str>) -> Option<&'s Service> {
    if let Some(scope) = scope {
        return services
            .iter()
            .find(|service| service.model.get().metadata.signing_name == scope);
    }
    let by_prefix = |prefix: &str| {
        services
            .iter()
            .find(|service| service.model.get().metadata.target_prefix.as_deref() == Some(prefix))
    };
    if let Some((prefix, _)) = header(parts, "x-amz-target").and_then(|target| target.rsplit_once('.')) {
        return by_prefix(prefix);
    }
    if let Some((prefix, _)) = rpc_v2_path(parts.uri.path()).filter(|_| header(parts, "smithy-protocol").is_some()) {
        return by_prefix(prefix);
    }
    let routed = services.iter().find(|service| {
        let model = service.model.get();
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        model.protocol().is_rest() && model.routes.find(parts.method.as_str(), path, query).is_ok()
    });
    routed.or_else(|| {
        let host = header(parts, "host").unwrap_or_default();
        services
            .iter()
            .find(|service| host.split('.').next() == Some(service.model.name()))
    })
}

/// The protocol of a request to a service that may speak several.
pub(super) fn protocol(model: &Model, parts: &Parts) -> Protocol {
    let spoken = &model.metadata.protocols;
    let guess = guess_protocol(parts);
    let alike = |protocol: &&Protocol| match guess {
        Protocol::Json10 | Protocol::Json11 => matches!(protocol, Protocol::Json10 | Protocol::Json11),
        Protocol::Query => matches!(protocol, Protocol::Query | Protocol::Ec2),
        Protocol::RestJson => protocol.is_rest(),
        guess => **protocol == guess,
    };
    spoken.iter().find(alike).copied().unwrap_or_else(|| model.protocol())
}

/// The operation, as far as it can be told without the body.
pub(super) fn target<'m>(model: &'m Model, protocol: Protocol, parts: &Parts) -> Result<Target<'m>, ServiceError> {
    let named = |name: &str| {
        let operation = model.operation(name).ok_or_else(|| unknown_operation(""))?;
        Ok(Target::Known(Match {
            operation: &operation.name,
            labels: Vec::new(),
        }))
    };
    match protocol {
        Protocol::Json10 | Protocol::Json11 => {
            let target = header(parts, "x-amz-target").and_then(|target| target.rsplit_once('.'));
            let (prefix, name) = target.ok_or_else(|| unknown_operation(""))?;
            if model.metadata.target_prefix.as_deref() != Some(prefix) {
                return Err(unknown_operation(""));
            }
            named(name)
        }
        Protocol::RpcV2Cbor => {
            let (_, name) = rpc_v2_path(parts.uri.path()).ok_or_else(|| unknown_operation(""))?;
            named(name)
        }
        Protocol::Query | Protocol::Ec2 => match query_action(parts) {
            Some(action) => model
                .operation(&action)
                .map(|operation| {
                    Target::Known(Match {
                        operation: &operation.name,
                        labels: Vec::new(),
                    })
                })
                .ok_or_else(|| invalid_action(model, &action)),
            None => Ok(Target::InForm),
        },
        Protocol::RestJson | Protocol::RestXml => {
            let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
            match model.routes.find(parts.method.as_str(), path, query) {
                Ok(found) => Ok(Target::Known(found)),
                Err(NoMatch::Path) => Err(unknown_operation("")),
                Err(NoMatch::Method) => {
                    let message = format!("The method {} is not allowed on this path.", parts.method);
                    Err(ServiceError::client("MethodNotAllowedException", 405, message))
                }
            }
        }
    }
}

impl<'m> Target<'m> {
    pub(super) fn name(&self) -> Option<&'m str> {
        match self {
            Self::Known(found) => Some(found.operation),
            Self::InForm => None,
        }
    }

    /// Whether this can be an operation that is built and needs no signature.
    pub(super) fn may_be_unsigned(&self, service: &Service) -> bool {
        let model = service.model.get();
        let unsigned = |name: &str| model.operation(name).is_some_and(|operation| operation.unsigned);
        match self.name() {
            Some(name) => service.operations.contains_key(name) && unsigned(name),
            None => service.operations.keys().any(|name| unsigned(name)),
        }
    }

    /// The operation, now that the body is there.
    pub(super) fn resolve(self, model: &'m Model, parts: &Parts, body: &Bytes) -> Result<Found<'m>, ServiceError> {
        let (name, labels) = match self {
            Self::Known(found) => (found.operation.to_owned(), found.labels),
            Self::InForm => (form_action(model, parts, body)?, Vec::new()),
        };
        let operation = model.operation(&name).ok_or_else(|| invalid_action(model, &name))?;
        Ok(Found { operation, labels })
    }
}

fn form_action(model: &Model, parts: &Parts, body: &Bytes) -> Result<String, ServiceError> {
    let text =
        std::str::from_utf8(body).map_err(|_| ServiceError::client("MalformedInput", 400, "The form is not UTF-8."))?;
    let form = parse_form(text).map_err(|error| ServiceError::client("MalformedInput", 400, error.0))?;
    let value = |wanted: &str| {
        form.iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.clone())
    };
    let missing = || {
        let message = "The request must contain the parameter Action.";
        ServiceError::client("MissingAction", 400, message)
    };
    let action = value("Action").ok_or_else(missing)?;
    let version = value("Version");
    // An operation of another version has another form, unless no version is given at all.
    if version.is_some_and(|version| version != model.metadata.api_version) {
        tracing::debug!(path = parts.uri.path(), "a query names another API version");
        return Err(invalid_action(model, &action));
    }
    Ok(action)
}

pub(super) fn unknown_operation(message: &str) -> ServiceError {
    ServiceError::client("UnknownOperationException", 404, message)
}

fn invalid_action(model: &Model, action: &str) -> ServiceError {
    let action: String = action.chars().take(128).collect();
    let message = format!(
        "Could not find operation {action} for version {}",
        model.metadata.api_version
    );
    ServiceError::client("InvalidAction", 400, message)
}

/// The honest answer for an operation that is modelled and not built.
pub(super) fn not_built(service: &str, operation: &str) -> ServiceError {
    let message = format!("{operation} of {service} is not implemented. Nothing was changed.");
    ServiceError {
        fault: danbi_core::Fault::Client,
        ..ServiceError::server("NotImplementedException", 501, message)
    }
}

/// The honest answer for a service that is not there.
pub(super) fn unknown_service(name: &str) -> ServiceError {
    let name: String = name.chars().take(64).collect();
    let message = format!("The service {name} is not implemented. Nothing was changed.");
    ServiceError {
        fault: danbi_core::Fault::Client,
        ..ServiceError::server("NotImplementedException", 501, message)
    }
}

pub(super) fn too_large(limit: usize, operation: Option<&str>) -> ServiceError {
    let operation = operation.map_or(String::new(), |name| format!(" for the {name} operation"));
    let message = format!("Request must be smaller than {limit} bytes{operation}");
    ServiceError::client("RequestEntityTooLargeException", 413, message)
}
