use super::compare::{canonical, canonical_json};
use super::{Met, Vector, expected, expected_shape};
use crate::model::{Member, Shape};
use crate::protocol::{Encoded, ErrorContext, Protocol, decode_value, encode_response, xml_tree};
use crate::value::Value;
use base64::Engine;
use danbi_core::Fault;
use serde_json::Value as Json;

const REQUEST_ID: &str = "foo-id";

pub(super) fn check(vector: &Vector) -> Result<Met, String> {
    let response = &vector.case["response"];
    let status = response["status_code"].as_u64().unwrap_or(200) as u16;
    let (encoded, shape, value) = match &vector.case["error"] {
        Json::Null => success(vector),
        error => failure(vector, error, status)?,
    };
    if encoded.status != status {
        return Err(format!("status {}, wanted {status}", encoded.status));
    }
    check_headers(vector, &encoded)?;
    let wanted = response["body"].as_str().unwrap_or_default();
    let wanted = match vector.protocol() {
        Protocol::RpcV2Cbor => base64::engine::general_purpose::STANDARD
            .decode(wanted)
            .expect("base64"),
        _ => wanted.as_bytes().to_vec(),
    };
    if same_body(vector.protocol(), &encoded.body, &wanted) {
        return Ok(Met::Exactly);
    }
    let equivalent = equivalent(vector, shape, &value, &encoded.body, &wanted);
    let show = |body: &[u8]| {
        String::from_utf8_lossy(body)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    equivalent.map_err(|why| {
        format!(
            "{why}\n   got {}\nwanted {}\n of {value:?}",
            show(&encoded.body),
            show(&wanted)
        )
    })
}

fn success(vector: &Vector) -> (Encoded, Option<&Shape>, Value) {
    let operation = vector.operation();
    let value = match &operation.output {
        Some(member) => expected(&vector.model, member, &vector.case["result"]),
        None => Value::Map(Vec::new()),
    };
    let encoded = encode_response(&vector.model, operation, vector.protocol(), &value, REQUEST_ID);
    (
        encoded,
        operation.output.as_ref().map(|member| vector.model.shape(member.shape)),
        value,
    )
}

fn failure<'v>(vector: &'v Vector, error: &Json, status: u16) -> Result<(Encoded, Option<&'v Shape>, Value), String> {
    let shape = vector
        .model
        .shape(*vector.operation().errors.first().ok_or("no error shape")?);
    let mut value = expected_shape(&vector.model, shape, error);
    // The message stands beside the members there when the shape does not model one.
    if let (Value::Map(entries), Some(message)) = (&mut value, vector.case["errorMessage"].as_str())
        && !entries.iter().any(|(name, _)| name.eq_ignore_ascii_case("message"))
    {
        entries.push(("message".into(), Value::String(message.into())));
    }
    let context = ErrorContext {
        model: Some(&vector.model),
        protocol: vector.protocol(),
        request_id: REQUEST_ID,
        query_mode: true,
    };
    let fault = if status < 500 { Fault::Client } else { Fault::Server };
    Ok((
        context.encode_value(&shape.name, fault, status, &value),
        Some(shape),
        value,
    ))
}

fn check_headers(vector: &Vector, encoded: &Encoded) -> Result<(), String> {
    for (name, wanted) in vector.case["response"]["headers"].as_object().into_iter().flatten() {
        let wanted = wanted.as_str().expect("text");
        let got = encoded
            .headers
            .get(name.as_str())
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let same = match name.to_ascii_lowercase().as_str() {
            // How a body is delimited is the HTTP server's business.
            "content-length" => true,
            "content-type" if encoded.body.is_empty() => true,
            "content-type" => got.as_deref().map(media_type) == Some(media_type(wanted)),
            // The dispatcher's.
            "x-amzn-requestid" => true,
            "x-amzn-errortype" if !vector.protocol().is_rest() => true,
            "x-amzn-errortype" => got.as_deref() == Some(bare_type(wanted)),
            _ => got.as_deref() == Some(wanted) || same_list(got.as_deref(), wanted),
        };
        if !same {
            return Err(format!("header {name}: {got:?}, wanted {wanted:?}"));
        }
    }
    Ok(())
}

fn media_type(text: &str) -> &str {
    text.split(';').next().unwrap_or(text).trim()
}

fn same_list(got: Option<&str>, wanted: &str) -> bool {
    let items = |text: &str| text.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>();
    got.is_some_and(|got| items(got) == items(wanted))
}

/// `ns#Name:http://…` is `Name`.
fn bare_type(text: &str) -> &str {
    let text = text.split(':').next().unwrap_or(text);
    text.rsplit('#').next().unwrap_or(text)
}

fn same_body(protocol: Protocol, got: &[u8], wanted: &[u8]) -> bool {
    if got == wanted {
        return true;
    }
    match protocol {
        Protocol::RpcV2Cbor => match (decode_cbor(got), decode_cbor(wanted)) {
            (Some(got), Some(wanted)) => got == wanted,
            _ => false,
        },
        Protocol::Json10 | Protocol::Json11 | Protocol::RestJson => match (decode_json(got), decode_json(wanted)) {
            (Some(got), Some(wanted)) => got == wanted,
            _ => false,
        },
        Protocol::RestXml => match (xml_tree(got), xml_tree(wanted)) {
            (Some(got), Some(wanted)) => got == wanted,
            _ => false,
        },
        // The name space of the service is not in the vectors' models.
        Protocol::Query | Protocol::Ec2 => match (xml_tree(got), xml_tree(wanted)) {
            (Some(got), Some(wanted)) => got.without_attributes() == wanted.without_attributes(),
            _ => false,
        },
    }
}

/// The members of a JSON error without its code, which may stand in several places.
fn error_members(body: &[u8]) -> Option<Json> {
    let mut json = decode_json(if body.is_empty() { b"{}" } else { body })?;
    if let Some(members) = json.as_object_mut() {
        members.remove("__type");
        members.remove("code");
    }
    Some(json)
}

/// Whether a vector names an error's code elsewhere than we do, and says the same otherwise.
fn same_error(vector: &Vector, shape: &Shape, got: &[u8], wanted: &[u8]) -> bool {
    let response = &vector.case["response"];
    let in_body = decode_json(if wanted.is_empty() { b"{}" } else { wanted }).unwrap_or_default();
    let places = [
        &response["headers"]["X-Amzn-Errortype"],
        &in_body["code"],
        &in_body["__type"],
    ];
    let code = places.iter().find_map(|place| place.as_str()).map(bare_type);
    code == Some(shape.name.as_str()) && error_members(got).is_some() && error_members(got) == error_members(wanted)
}

fn decode_json(body: &[u8]) -> Option<Json> {
    let mut json = canonical_json(&serde_json::from_slice(body).ok()?);
    if let Some(name) = json.get_mut("__type") {
        *name = Json::String(bare_type(name.as_str()?).to_owned());
    }
    Some(json)
}

fn decode_cbor(body: &[u8]) -> Option<Value> {
    let model = crate::model::Model::parse(
        r#"{"metadata":{"protocol":"smithy-rpc-v2-cbor"},"shapes":{"D":{"type":"structure","document":true}},
            "operations":{"O":{"input":{"shape":"D"}}}}"#,
    );
    let model = model.expect("a model");
    let member = model
        .operation("O")
        .expect("the operation")
        .input
        .clone()
        .expect("its input");
    let mut value = canonical(&decode_value(&model, &member, Protocol::RpcV2Cbor, body).ok()?);
    if let Value::Map(entries) = &mut value {
        for (_, value) in entries.iter_mut().filter(|(name, _)| name == "__type") {
            *value = Value::String(bare_type(value.as_str()?).to_owned());
        }
    }
    Some(value)
}

/// Whether both bodies read as the vector's result, where reading is what our decoder does.
fn equivalent(vector: &Vector, shape: Option<&Shape>, value: &Value, got: &[u8], wanted: &[u8]) -> Result<Met, String> {
    let Some(shape) = shape else {
        return Ok(Met::Equivalently);
    };
    let output = vector.operation().output.clone();
    let member = match (&vector.case["error"], output) {
        (Json::Null, Some(member)) => member,
        _ if same_error(vector, shape, got, wanted) => return Ok(Met::Equivalently),
        _ => return Err(format!("the error {} is written otherwise", shape.name)),
    };
    let structure = vector.model.structure(&member).expect("a structure");
    let body_member: Member = structure
        .payload
        .map_or(member.clone(), |at| structure.members[at].clone());
    let read = |body: &[u8]| -> Result<Value, String> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Map(Vec::new()));
        }
        let decoded = crate::protocol::decode_client(&vector.model, &body_member, vector.protocol(), body);
        decoded.map(|value| canonical(&value)).map_err(|error| error.message)
    };
    let in_body = match structure.payload {
        Some(at) => value
            .get(&structure.members[at].name)
            .cloned()
            .unwrap_or(Value::Map(Vec::new())),
        None => {
            let Value::Map(entries) = value else {
                return Err("not a map".into());
            };
            let bound = |name: &String| {
                structure.members.iter().any(|member| {
                    member.name == *name
                        && vector.protocol().is_rest()
                        && member.location != crate::model::Location::Body
                })
            };
            Value::Map(entries.iter().filter(|(name, _)| !bound(name)).cloned().collect())
        }
    };
    let in_body = canonical(&in_body);
    let (got, wanted) = (read(got)?, read(wanted)?);
    if got != in_body {
        return Err(format!("our body reads as {got:?}"));
    }
    if wanted != in_body {
        return Err(format!("the vector's body reads as {wanted:?}"));
    }
    Ok(Met::Equivalently)
}
