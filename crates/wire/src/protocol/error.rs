//! From an error to the protocol's own error document.

use super::response::{Encoded, SMITHY_PROTOCOL};
use super::rest::write_header;
use super::xml::{XmlWriter, scalar};
use super::{Members, Protocol, cbor, is_set, json};
use crate::model::{Kind, Location, Model, Shape, Structure};
use crate::value::{self, Value};
use crate::{s3, sqs};
use danbi_core::{Fault, ServiceError};
use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// What is known of the request that an error answers.
#[derive(Debug, Clone, Copy)]
pub struct ErrorContext<'r> {
    /// The service's model, when the service is known.
    pub model: Option<&'r Model>,
    /// How to write it.
    pub protocol: Protocol,
    /// The request's id.
    pub request_id: &'r str,
    /// Whether the client asked for old query codes (`x-amzn-query-mode: true`).
    pub query_mode: bool,
}

impl ErrorContext<'_> {
    /// Encodes `error`. Its members take the types of the modelled shape, when its code has one.
    pub fn encode(&self, error: &ServiceError) -> Encoded {
        let (code, status) = self.denial(error).unwrap_or((error.code, error.status));
        let shape = self.model.and_then(|model| model.error(code));
        let structure = shape.and_then(|shape| match &shape.kind {
            Kind::Structure(structure) => Some(structure),
            _ => None,
        });
        let mut members = Vec::new();
        let mut put = |name: &str, text: &str| {
            let modelled = structure.and_then(|structure| structure.members.iter().find(|member| member.name == name));
            let typed = modelled
                .zip(self.model)
                .map(|(member, model)| scalar(&model.shape(member.shape).kind, text));
            members.push((
                name.to_owned(),
                typed.and_then(Result::ok).unwrap_or_else(|| Value::String(text.into())),
            ));
        };
        if !error.message.is_empty() {
            put(message_name(structure), &error.message);
        }
        for (name, text) in &error.members {
            put(name, text);
        }
        // Lambda's error shapes say whose fault it is in a member of their own.
        let has_type = structure.is_some_and(|structure| structure.members.iter().any(|member| member.name == "Type"));
        if has_type && self.protocol == Protocol::RestJson && !error.members.contains_key("Type") {
            put(
                "Type",
                if error.fault == Fault::Client {
                    "User"
                } else {
                    "Service"
                },
            );
        }
        let json = error.json_members().iter();
        members.extend(json.map(|(name, value)| ((*name).to_owned(), value::to_value(value).unwrap_or(Value::Null))));
        let mut encoded = self.encode_value(code, error.fault, status, &Value::Map(members));
        if let Some(secs) = error.retry_after_secs {
            encoded.headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        for (name, value) in error.headers() {
            crate::handler::set_header(&mut encoded.headers, name, value);
        }
        encoded
    }

    /// What a refusal by policy is called, and its status: each protocol has its own.
    /// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>, the common errors of
    /// each API reference.
    fn denial(&self, error: &ServiceError) -> Option<(&'static str, u16)> {
        if !matches!(error.code, "AccessDeniedException" | "AccessDenied") {
            return None;
        }
        // SNS has its own word for it.
        let own = self.model.and_then(|model| model.error("AuthorizationError"));
        if own.is_some() {
            return Some(("AuthorizationError", 403));
        }
        Some(match self.protocol {
            Protocol::Json10 | Protocol::Json11 | Protocol::RpcV2Cbor => ("AccessDeniedException", 400),
            Protocol::RestJson => ("AccessDeniedException", 403),
            Protocol::RestXml | Protocol::Query => ("AccessDenied", 403),
            Protocol::Ec2 => ("UnauthorizedOperation", 403),
        })
    }

    /// Encodes the error of this code with these members.
    pub fn encode_value(&self, code: &str, fault: Fault, status: u16, members: &Value) -> Encoded {
        let shape = self.model.and_then(|model| model.error(code));
        let mut encoded = match self.protocol {
            Protocol::Json10 | Protocol::Json11 | Protocol::RpcV2Cbor => self.encode_rpc(code, shape, members),
            Protocol::RestJson => self.encode_rest_json(code, shape, members),
            Protocol::RestXml | Protocol::Query | Protocol::Ec2 => {
                let body = self.encode_xml(code, fault, shape, members);
                Encoded::new(status, Some(self.protocol.content_type()), body)
            }
        };
        encoded.status = StatusCode::from_u16(status).map_or(500, |status| status.as_u16());
        if let (Some((model, structure)), true) = (self.structure(shape), self.protocol.is_rest()) {
            for member in structure
                .members
                .iter()
                .filter(|member| member.location != Location::Body)
            {
                if let Some(value) = is_set(members.get(&member.name)) {
                    write_header(model, member, value, &mut encoded.headers);
                }
            }
        }
        let compatible = self.model.is_some_and(|model| model.metadata.query_compatible);
        if compatible && self.query_mode {
            let whose = if fault == Fault::Client { "Sender" } else { "Receiver" };
            if let Ok(value) = HeaderValue::try_from(format!("{};{whose}", wire_code(code, shape))) {
                encoded.headers.insert(QUERY_ERROR, value);
            }
        }
        encoded
    }

    fn structure<'s>(&'s self, shape: Option<&'s Shape>) -> Option<(&'s Model, &'s Structure)> {
        match (self.model, &shape?.kind) {
            (Some(model), Kind::Structure(structure)) => Some((model, structure)),
            _ => None,
        }
    }

    fn encode_rpc(&self, code: &str, shape: Option<&Shape>, members: &Value) -> Encoded {
        let name = shape.map_or(code, |shape| shape.name.as_str());
        // awsJson1_1 gives the bare name; the other two the shape's whole id, in Coral's name space when it is none of
        // the service's own.
        let name = match (self.protocol, self.model) {
            (Protocol::Json11, _) => name.to_owned(),
            (_, Some(model)) if shape.is_some() => format!("{}#{name}", namespace(model)),
            _ if name == "ValidationException" => format!("com.amazon.coral.validate#{name}"),
            _ => format!("com.amazon.coral.service#{name}"),
        };
        let mut all = vec![("__type".to_owned(), Value::String(name))];
        let typed = self.wire_members(shape, members);
        if let Value::Map(typed) = typed {
            all.extend(typed);
        }
        let all = Value::Map(all);
        if self.protocol == Protocol::RpcV2Cbor {
            let mut encoded = Encoded::new(400, Some(self.protocol.content_type()), cbor::encode_document(&all));
            encoded
                .headers
                .insert(SMITHY_PROTOCOL, HeaderValue::from_static("rpc-v2-cbor"));
            return encoded;
        }
        Encoded::new(400, Some(self.protocol.content_type()), json::encode_document(&all))
    }

    /// The members under their wire names. Error shapes are flat but for rare structures, whose names are mapped too.
    fn wire_members(&self, shape: Option<&Shape>, members: &Value) -> Value {
        let Some((model, structure)) = self.structure(shape) else {
            return members.clone();
        };
        let Value::Map(entries) = members else {
            return Value::Null;
        };
        let renamed = entries
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(
                |(name, value)| match structure.members.iter().find(|member| member.name == *name) {
                    Some(member) => {
                        let shape = model.shape(member.shape);
                        (member.wire_name().to_owned(), self.wire_members(Some(shape), value))
                    }
                    None => (name.clone(), value.clone()),
                },
            );
        Value::Map(renamed.collect())
    }

    fn encode_rest_json(&self, code: &str, shape: Option<&Shape>, members: &Value) -> Encoded {
        let name = shape.map_or(code, |shape| shape.name.as_str());
        let body = match self.structure(shape) {
            Some((_, structure)) => {
                let in_body = |name: &String| {
                    let found = structure.members.iter().find(|member| member.name == *name);
                    found.is_none_or(|member| Members::BodyOnly.includes(member))
                };
                let Value::Map(entries) = members else {
                    return Encoded::new(500, None, "");
                };
                let kept = entries.iter().filter(|(name, _)| in_body(name)).cloned().collect();
                self.wire_members(shape, &Value::Map(kept))
            }
            None => members.clone(),
        };
        let mut encoded = Encoded::new(400, Some(self.protocol.content_type()), json::encode_document(&body));
        if let Ok(name) = HeaderValue::try_from(name) {
            encoded.headers.insert(ERROR_TYPE, name);
        }
        encoded
    }

    fn encode_xml(&self, code: &str, fault: Fault, shape: Option<&Shape>, members: &Value) -> Vec<u8> {
        let empty = EMPTY.get_or_init(|| Model::parse(r#"{"metadata":{"protocol":"query"},"operations":{}}"#).ok());
        let Some(model) = self.model.or(empty.as_ref()) else {
            return Vec::new();
        };
        let mut xml = match self.protocol {
            Protocol::Query | Protocol::Ec2 => XmlWriter::of_query(model),
            _ => XmlWriter::declared(model),
        };
        let is_s3 = s3::is_s3(model);
        if self.protocol == Protocol::Query && code == "UnknownOperationException" {
            xml.open(code, None, &[]);
            xml.close(code);
            return xml.finish();
        }
        let namespace = model.metadata.xml_namespace.as_ref();
        match self.protocol {
            Protocol::Ec2 => {
                xml.open("Response", None, &[]);
                xml.open("Errors", None, &[]);
            }
            Protocol::RestXml if is_s3 => {}
            _ => xml.open("ErrorResponse", namespace, &[]),
        }
        xml.open("Error", None, &[]);
        if self.protocol != Protocol::Ec2 && !is_s3 {
            xml.text("Type", if fault == Fault::Client { "Sender" } else { "Receiver" });
        }
        xml.text("Code", wire_code(code, shape));
        let message = members
            .get("message")
            .or_else(|| members.get("Message"))
            .and_then(Value::as_str);
        if let Some(message) = message {
            let is_sqs = sqs::is_sqs(model);
            let worded = if is_sqs {
                sqs::worded(shape.map_or(code, |shape| &shape.name), message)
            } else {
                message.into()
            };
            xml.text("Message", &worded);
            if is_sqs {
                xml.text("Detail", "");
            }
        }
        let is_message = |name: &str| name.eq_ignore_ascii_case("message");
        // S3's errors say more than its model does.
        match self.structure(shape).filter(|_| !is_s3) {
            Some((_, structure)) => {
                let only_body = if self.protocol.is_rest() {
                    Members::BodyOnly
                } else {
                    Members::All
                };
                let rest = structure
                    .members
                    .iter()
                    .filter(|member| only_body.includes(member) && !is_message(&member.name));
                for member in rest {
                    if let Some(value) = is_set(members.get(&member.name)) {
                        xml.element(member.wire_name(), member, Members::All, value);
                    }
                }
            }
            None => {
                if let Value::Map(entries) = members {
                    for (name, value) in entries.iter().filter(|(name, _)| !is_message(name)) {
                        xml.text(name, value.as_str().unwrap_or_default());
                    }
                }
            }
        }
        if is_s3 && self.protocol == Protocol::RestXml {
            xml.text("RequestId", self.request_id);
            xml.text("HostId", &s3::host_id(self.request_id));
        }
        xml.close("Error");
        match self.protocol {
            Protocol::Ec2 => {
                xml.close("Errors");
                xml.text("RequestID", self.request_id);
                xml.close("Response");
            }
            Protocol::RestXml if is_s3 => {}
            _ => {
                xml.text("RequestId", self.request_id);
                xml.close("ErrorResponse");
            }
        }
        xml.finish()
    }
}

/// Stands for the model of a service that could not be told.
static EMPTY: std::sync::OnceLock<Option<Model>> = std::sync::OnceLock::new();

/// The code that query and XML protocols send.
fn wire_code<'c>(code: &'c str, shape: Option<&'c Shape>) -> &'c str {
    shape
        .and_then(|shape| shape.error.as_ref()?.code.as_deref())
        .unwrap_or(code)
}

fn message_name(structure: Option<&Structure>) -> &str {
    let modelled = structure.and_then(|structure| {
        structure
            .members
            .iter()
            .find(|member| member.name.eq_ignore_ascii_case("message"))
    });
    modelled.map_or("message", |member| &member.name)
}

/// The name space of a service's shape ids, as DynamoDB and its kin write it.
fn namespace(model: &Model) -> String {
    let metadata = &model.metadata;
    match metadata.signing_name.as_str() {
        "dynamodb" => format!("com.amazonaws.dynamodb.v{}", metadata.api_version.replace('-', "")),
        name => format!("com.amazonaws.{}", name.to_ascii_lowercase()),
    }
}
