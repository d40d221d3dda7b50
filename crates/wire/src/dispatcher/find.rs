//! Which service, protocol and operation a request addresses.

use crate::Service;
use crate::model::{Kind, Member, Model, OperationModel};
use crate::protocol::{Protocol, parse_form};
use crate::route::{Match, NoMatch};
use crate::{s3, sqs};
use bytes::Bytes;
use danbi_core::{Region, ServiceError};
use http::Method;
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
    let by_prefix = |prefix: &str| {
        services
            .iter()
            .find(|service| service.model.get().metadata.target_prefix.as_deref() == Some(prefix))
    };
    if let Some(scope) = scope {
        let signs_so = |service: &&Service| service.model.get().metadata.signing_name == scope;
        // Services that share a signing name (DynamoDB and its streams) differ in the prefix of their targets.
        let target = header(parts, "x-amz-target").and_then(|target| target.rsplit_once('.'));
        let target = target.and_then(|(prefix, _)| by_prefix(prefix));
        let named = target.filter(signs_so).or_else(|| services.iter().find(signs_so));
        // A scope that is nobody's is refused by the service that the request is for.
        return named.or(target);
    }
    let anonymous = || services.iter().find(|service| service.anonymous);
    if s3::Host::parse(addressed_host(parts)).is_some() {
        return anonymous();
    }
    if let Some((prefix, _)) = header(parts, "x-amz-target").and_then(|target| target.rsplit_once('.')) {
        return by_prefix(prefix);
    }
    if let Some((prefix, _)) = rpc_v2_path(parts.uri.path()).filter(|_| header(parts, "smithy-protocol").is_some()) {
        return by_prefix(prefix);
    }
    // What a browser asks before it calls an operation by a header names that header; of these services DynamoDB alone
    // answers browsers.
    let asked = header(parts, "access-control-request-headers").unwrap_or_default();
    let by_target = |name: &str| name.trim().eq_ignore_ascii_case("x-amz-target");
    if parts.method == Method::OPTIONS && asked.split(',').any(by_target) {
        return services.iter().find(|service| service.model.name() == "dynamodb");
    }
    let routed = services.iter().find(|service| {
        let model = service.model.get();
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        // What would fit everything is asked last.
        !service.anonymous
            && model.protocol().is_rest()
            && model.routes.find(parts.method.as_str(), path, query).is_ok()
    });
    routed.or_else(|| {
        let host = header(parts, "host").unwrap_or_default();
        services
            .iter()
            .find(|service| host.split('.').next() == Some(service.model.name()))
            // A form sent to no path is a query request that lacks its signature.
            .or_else(|| anonymous().filter(|_| parts.uri.path() != "/" || guess_protocol(parts).is_rest()))
    })
}

fn addressed_host(parts: &Parts) -> &str {
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    header(parts, "host").or(authority).unwrap_or_default()
}

/// The protocol of a request to a service that may speak several.
pub(super) fn protocol(model: &Model, parts: &Parts) -> Protocol {
    let spoken = &model.metadata.protocols;
    // What a browser sends to a queue's URL has no form either.
    let guess = match guess_protocol(parts) {
        Protocol::RestJson if parts.method == Method::GET && sqs::is_sqs(model) => Protocol::Query,
        guess => guess,
    };
    let alike = |protocol: &&Protocol| match guess {
        Protocol::Json10 | Protocol::Json11 => matches!(protocol, Protocol::Json10 | Protocol::Json11),
        Protocol::Query => matches!(protocol, Protocol::Query | Protocol::Ec2),
        Protocol::RestJson => protocol.is_rest(),
        guess => **protocol == guess,
    };
    spoken.iter().find(alike).copied().unwrap_or_else(|| model.protocol())
}

/// The operation, as far as it can be told without the body, and the region in the host name, if that is read.
pub(super) fn target(
    service: &Service,
    model: &'static Model,
    protocol: Protocol,
    parts: &Parts,
) -> Result<(Target<'static>, Option<Region>), ServiceError> {
    if !s3::is_s3(model) {
        return modelled_target(model, protocol, parts).map(|target| (target, None));
    }
    let address = s3::Address::of(parts)?;
    let is_built = |name: &str| service.operations.contains_key(name);
    let query = parts.uri.query().unwrap_or_default();
    let operation = s3::find(model, &parts.method, &address, query, &parts.headers, is_built)?;
    let region = address.region.and_then(|region| region.parse().ok());
    let labels = [("Bucket", address.bucket), ("Key", address.key)];
    let labels = labels
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), text?)));
    let labels = labels.collect();
    Ok((Target::Known(Match { operation, labels }), region))
}

fn modelled_target<'m>(model: &'m Model, protocol: Protocol, parts: &Parts) -> Result<Target<'m>, ServiceError> {
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
            // awsJson1_0 services answer 400, the others 404.
            let unknown = || ServiceError {
                status: if protocol == Protocol::Json10 { 400 } else { 404 },
                ..unknown_operation("")
            };
            let (prefix, name) = target.ok_or_else(unknown)?;
            if model.metadata.target_prefix.as_deref() != Some(prefix) {
                return Err(unknown());
            }
            named(name).map_err(|_| unknown())
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

    /// Whether the operation reads its body while it arrives.
    pub(super) fn streams(&self, service: &Service) -> bool {
        self.payload_of_bytes(service).is_some_and(|payload| payload.streaming)
    }

    /// Whether the body is bytes to the operation, whatever they hold.
    pub(super) fn takes_bytes(&self, service: &Service) -> bool {
        self.payload_of_bytes(service).is_some()
    }

    fn payload_of_bytes(&self, service: &Service) -> Option<&'static Member> {
        let model = service.model.get();
        let name = self.name().filter(|name| service.operations.contains_key(name))?;
        let structure = model.structure(model.operation(name)?.input.as_ref()?)?;
        let payload = &structure.members[structure.payload?];
        matches!(model.shape(payload.shape).kind, Kind::Blob).then_some(payload)
    }

    /// The largest body, in bytes.
    pub(super) fn body_limit(&self, service: &Service) -> usize {
        let known = self.name().and_then(|name| service.operations.get(name));
        known
            .and_then(|registered| registered.body_limit)
            .unwrap_or(service.body_limit)
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
    let form = parse_form(text).map_err(|error| ServiceError::client("MalformedInput", 400, error.message))?;
    let value = |wanted: &str| {
        form.iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.clone())
    };
    let missing = || {
        if sqs::is_sqs(model) {
            return unknown_operation("");
        }
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
    let message = match sqs::is_sqs(model) {
        true => sqs::invalid_action(&action),
        false => format!(
            "Could not find operation {action} for version {}",
            model.metadata.api_version
        ),
    };
    ServiceError::client("InvalidAction", 400, message)
}

/// The honest answer for an operation that is modelled and not built.
pub(super) fn not_built(service: &Service, operation: &str) -> ServiceError {
    let name = service.model.name();
    let message = format!("{operation} of {name} is not implemented. Nothing was changed.");
    let code = match s3::is_s3(service.model.get()) {
        true => "NotImplemented",
        false => "NotImplementedException",
    };
    ServiceError {
        fault: danbi_core::Fault::Client,
        ..ServiceError::server(code, 501, message)
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

/// The same in S3's words: one for objects, one for documents.
pub(super) fn too_large_for_s3(
    model: &Model,
    limit: usize,
    operation: Option<&str>,
    proposed: Option<u64>,
) -> ServiceError {
    let operation = operation.and_then(|name| model.operation(name));
    let structure = operation.and_then(|operation| model.structure(operation.input.as_ref()?));
    let object = structure.and_then(|structure| Some(structure.members[structure.payload?].streaming));
    if object != Some(true) {
        let message = "Your request was too big.";
        return ServiceError::client("MaxMessageLengthExceeded", 400, message)
            .with("MaxMessageLengthBytes", limit.to_string());
    }
    let message = "Your proposed upload exceeds the maximum allowed size";
    let error = ServiceError::client("EntityTooLarge", 400, message).with("MaxSizeAllowed", limit.to_string());
    match proposed {
        Some(proposed) => error.with("ProposedSize", proposed.to_string()),
        None => error,
    }
}

pub(super) fn too_large(limit: usize, operation: Option<&str>) -> ServiceError {
    let operation = operation.map_or(String::new(), |name| format!(" for the {name} operation"));
    let message = format!("Request must be smaller than {limit} bytes{operation}");
    ServiceError::client("RequestEntityTooLargeException", 413, message)
}
