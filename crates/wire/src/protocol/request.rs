//! From a routed request to the operation's input.

use super::rest::Bindings;
use super::{DecodeError, Members, Protocol, cbor, json, query, xml};
use crate::model::{Kind, Location, Member, Model, OperationModel, Structure};
use crate::value::Value;
use bytes::Bytes;
use http::HeaderMap;

/// A request whose operation is known.
#[derive(Debug, Clone, Copy)]
pub struct RoutedRequest<'r> {
    /// The labels of the URI template with their decoded values.
    pub labels: &'r [(String, String)],
    /// The query as on the wire, without `?`.
    pub query: &'r str,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The whole body.
    pub body: &'r Bytes,
}

/// Decodes the input of `operation`. An operation without input gives an empty map.
///
/// # Errors
/// When the body is not of the protocol's form, a value has not the type its shape asks for, or a bound is exceeded.
pub fn decode_request(
    model: &Model,
    operation: &OperationModel,
    protocol: Protocol,
    request: RoutedRequest<'_>,
) -> Result<Value, DecodeError> {
    let Some(input) = &operation.input else {
        return Ok(Value::Map(Vec::new()));
    };
    let decoded = match protocol {
        Protocol::Json10 | Protocol::Json11 if request.body.is_empty() => Value::Null,
        Protocol::Json10 | Protocol::Json11 => match json::decode(model, input, Members::All, request.body)? {
            Value::Null => return Err(DecodeError::new("Unexpected value type in payload")),
            value => value,
        },
        Protocol::RpcV2Cbor if request.body.is_empty() => Value::Null,
        Protocol::RpcV2Cbor => cbor::decode(model, input, request.body)?,
        Protocol::Query | Protocol::Ec2 => {
            let body = std::str::from_utf8(request.body).map_err(|_| DecodeError::new("The form is not UTF-8."))?;
            // A GET carries its parameters in the query.
            let form = query::parse_form(if body.is_empty() { request.query } else { body })?;
            query::decode(model, input, protocol == Protocol::Ec2, &form)?
        }
        Protocol::RestJson | Protocol::RestXml => decode_rest(model, input, protocol, request)?,
    };
    Ok(if decoded.is_null() {
        Value::Map(Vec::new())
    } else {
        decoded
    })
}

fn decode_rest(
    model: &Model,
    input: &Member,
    protocol: Protocol,
    request: RoutedRequest<'_>,
) -> Result<Value, DecodeError> {
    let Some(structure) = model.structure(input) else {
        return Ok(Value::Null);
    };
    let bindings = Bindings::new(request.labels, request.query, request.headers)?;
    let mut out = Vec::new();
    for member in structure
        .members
        .iter()
        .filter(|member| member.location != Location::Body)
    {
        if let Some(value) = bindings.read(model, member)? {
            out.push((member.name.clone(), value));
        }
    }
    let body = decode_rest_body(model, input, structure, protocol, request.body)?;
    if let Value::Map(members) = body {
        out.extend(members);
    }
    Ok(Value::Map(out))
}

/// The members that the body carries: the payload member, or all that are bound to nothing else.
fn decode_rest_body(
    model: &Model,
    input: &Member,
    structure: &Structure,
    protocol: Protocol,
    body: &Bytes,
) -> Result<Value, DecodeError> {
    match structure.payload.map(|at| &structure.members[at]) {
        Some(payload) => {
            let value = match &model.shape(payload.shape).kind {
                _ if body.is_empty() => return Ok(Value::Null),
                Kind::Blob => Value::Blob(body.clone()),
                Kind::String => {
                    let text = String::from_utf8(body.to_vec());
                    Value::String(text.map_err(|_| DecodeError::new("The body is not UTF-8."))?)
                }
                _ => decode_value(model, payload, protocol, body)?,
            };
            Ok(Value::Map(vec![(payload.name.clone(), value)]))
        }
        None if body.is_empty()
            || !structure
                .members
                .iter()
                .any(|member| Members::BodyOnly.includes(member)) =>
        {
            Ok(Value::Null)
        }
        None => match protocol {
            Protocol::RestXml => xml::decode(model, input, Members::BodyOnly, &xml::parse(body)?),
            _ => json::decode(model, input, Members::BodyOnly, body),
        },
    }
}

/// Decodes a body that is nothing but the shape of `member`.
///
/// # Errors
/// As [`decode_request`].
pub fn decode_value(model: &Model, member: &Member, protocol: Protocol, body: &[u8]) -> Result<Value, DecodeError> {
    match protocol {
        Protocol::Json10 | Protocol::Json11 | Protocol::RestJson => json::decode(model, member, Members::All, body),
        Protocol::RpcV2Cbor => cbor::decode(model, member, body),
        Protocol::RestXml | Protocol::Query | Protocol::Ec2 => {
            xml::decode(model, member, Members::All, &xml::parse(body)?)
        }
    }
}
