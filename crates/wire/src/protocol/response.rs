//! From an operation's output to a response.

use super::rest::write_header;
use super::xml::XmlWriter;
use super::{Members, Protocol, cbor, is_set, json};
use crate::model::{Kind, Location, Member, Model, Namespace, OperationModel};
use crate::s3;
use crate::value::Value;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

/// A response in the protocol's form.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The HTTP status.
    pub status: u16,
    /// The headers that the protocol sets, `Content-Type` among them where there is a body.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Encoded {
    pub(super) fn new(status: u16, content_type: Option<&'static str>, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        Self {
            status,
            headers,
            body: body.into(),
        }
    }
}

impl Protocol {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json10 => "application/x-amz-json-1.0",
            Self::Json11 => "application/x-amz-json-1.1",
            Self::RestJson => "application/json",
            Self::RestXml => "application/xml",
            Self::Query => "text/xml",
            Self::Ec2 => "text/xml;charset=UTF-8",
            Self::RpcV2Cbor => "application/cbor",
        }
    }
}

pub(super) const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");

/// Encodes the output of `operation`. Members that the model does not have are left out.
pub fn encode_response(
    model: &Model,
    operation: &OperationModel,
    protocol: Protocol,
    output: &Value,
    request_id: &str,
) -> Encoded {
    match protocol {
        Protocol::Json10 | Protocol::Json11 => {
            let body = match &operation.output {
                Some(member) => json::encode(model, member, Members::All, output),
                // An operation without output answers nothing, not even an empty object.
                None => Vec::new(),
            };
            Encoded::new(operation.status, Some(protocol.content_type()), body)
        }
        Protocol::RpcV2Cbor => {
            let mut encoded = match &operation.output {
                Some(member) => Encoded::new(
                    operation.status,
                    Some(protocol.content_type()),
                    cbor::encode(model, member, output),
                ),
                None => Encoded::new(operation.status, None, Bytes::new()),
            };
            encoded
                .headers
                .insert(SMITHY_PROTOCOL, HeaderValue::from_static("rpc-v2-cbor"));
            encoded
        }
        Protocol::Query | Protocol::Ec2 => {
            let body = encode_query(model, operation, protocol, output, request_id);
            Encoded::new(operation.status, Some(protocol.content_type()), body)
        }
        Protocol::RestJson | Protocol::RestXml => encode_rest(model, operation, protocol, output),
    }
}

fn encode_query(
    model: &Model,
    operation: &OperationModel,
    protocol: Protocol,
    output: &Value,
    request_id: &str,
) -> Vec<u8> {
    let mut xml = XmlWriter::of_query(model);
    let root = format!("{}Response", operation.name);
    xml.open(&root, model.metadata.xml_namespace.as_ref(), &[]);
    if let Some(member) = &operation.output {
        if protocol == Protocol::Ec2 {
            xml.content(member, Members::All, output);
        } else {
            let wrapper = format!("{}Result", operation.name);
            xml.open(&wrapper, None, &[]);
            xml.content(member, Members::All, output);
            xml.close(&wrapper);
        }
    }
    if protocol == Protocol::Ec2 {
        xml.text("requestId", request_id);
    } else {
        xml.open("ResponseMetadata", None, &[]);
        xml.text("RequestId", request_id);
        xml.close("ResponseMetadata");
    }
    xml.close(&root);
    xml.finish()
}

fn encode_rest(model: &Model, operation: &OperationModel, protocol: Protocol, output: &Value) -> Encoded {
    let shape = operation
        .output
        .as_ref()
        .and_then(|member| Some((member, model.structure(member)?)));
    let Some((member, structure)) = shape else {
        return Encoded::new(operation.status, None, Bytes::new());
    };
    let mut encoded = match structure.payload.map(|at| &structure.members[at]) {
        Some(payload) => encode_payload(model, payload, protocol, is_set(output.get(&payload.name))),
        None if operation.name == "GetBucketLocation" && s3::is_s3(model) => {
            let region = output.get("LocationConstraint").and_then(Value::as_str);
            let mut xml = XmlWriter::declared(model).finish();
            xml.extend(s3::location_constraint(region));
            Encoded::new(200, Some(protocol.content_type()), xml)
        }
        None => {
            let in_body = structure
                .members
                .iter()
                .any(|member| Members::BodyOnly.includes(member));
            // An output that is all headers has no body; one that is empty is an empty JSON object.
            let nothing = !in_body && (protocol == Protocol::RestXml || !structure.members.is_empty());
            match protocol {
                _ if nothing => Encoded::new(200, None, Bytes::new()),
                Protocol::RestXml => Encoded::new(
                    200,
                    Some(protocol.content_type()),
                    xml_root(model, member, None, Members::BodyOnly, output),
                ),
                _ => Encoded::new(
                    200,
                    Some(protocol.content_type()),
                    json::encode(model, member, Members::BodyOnly, output),
                ),
            }
        }
    };
    encoded.status = operation.status;
    for member in &structure.members {
        match (member.location, is_set(output.get(&member.name))) {
            (Location::Header | Location::PrefixHeaders, Some(value)) => {
                write_header(model, member, value, &mut encoded.headers)
            }
            (Location::Status, Some(Value::Integer(status))) => {
                encoded.status = u16::try_from(*status).unwrap_or(operation.status);
            }
            _ => {}
        }
    }
    if encoded.status == 204 {
        encoded.body = Bytes::new();
        encoded.headers.remove(CONTENT_TYPE);
    }
    encoded
}

fn encode_payload(model: &Model, payload: &Member, protocol: Protocol, value: Option<&Value>) -> Encoded {
    match (&model.shape(payload.shape).kind, value) {
        (_, Some(Value::Blob(bytes))) => Encoded::new(200, Some("application/octet-stream"), bytes.clone()),
        (Kind::String, Some(Value::String(text))) => Encoded::new(200, Some("text/plain"), text.clone()),
        (Kind::Blob | Kind::String, _) => Encoded::new(200, None, Bytes::new()),
        (Kind::Structure(structure), None) if protocol == Protocol::RestXml || structure.union => {
            Encoded::new(200, None, Bytes::new())
        }
        (Kind::Structure(_), None) => Encoded::new(200, Some(protocol.content_type()), "{}"),
        (_, None) => Encoded::new(200, None, Bytes::new()),
        (_, Some(value)) if protocol == Protocol::RestXml => {
            let body = xml_root(
                model,
                payload,
                payload.location_name.as_deref().filter(|name| *name != payload.name),
                Members::All,
                value,
            );
            Encoded::new(200, Some(protocol.content_type()), body)
        }
        (_, Some(value)) => Encoded::new(
            200,
            Some(protocol.content_type()),
            json::encode(model, payload, Members::All, value),
        ),
    }
}

/// A document whose root is `name`, else what the shape is called on the wire.
fn xml_root(model: &Model, member: &Member, name: Option<&str>, members: Members, value: &Value) -> Vec<u8> {
    let shape = model.shape(member.shape);
    let is_s3 = s3::is_s3(model);
    let name = name
        .or(s3::root_name(&shape.name).filter(|_| is_s3))
        .or(shape.location_name.as_deref())
        .unwrap_or(&shape.name)
        .to_owned();
    let inherited: Option<Namespace> = member.xml_namespace.clone().or(model.metadata.xml_namespace.clone());
    let inherited = inherited.or_else(|| {
        is_s3.then(|| Namespace {
            uri: s3::NAMESPACE.into(),
            prefix: None,
        })
    });
    let root = Member {
        xml_namespace: inherited,
        ..member.clone()
    };
    let mut xml = XmlWriter::declared(model);
    xml.element(&name, &root, members, value);
    xml.finish()
}

/// What an event stream begins with in protocols that have no headers to bind the output's other members to.
pub(crate) fn encode_initial(
    model: &Model,
    operation: &OperationModel,
    protocol: Protocol,
    output: &Value,
) -> Option<Vec<u8>> {
    let member = operation.output.as_ref()?;
    match protocol {
        Protocol::Json10 | Protocol::Json11 => Some(json::encode(model, member, Members::All, output)),
        Protocol::RpcV2Cbor => Some(cbor::encode(model, member, output)),
        _ => None,
    }
}
