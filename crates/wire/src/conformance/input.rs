use super::compare::canonical;
use super::{Met, Vector, expected, split_uri};
use crate::model::{Kind, Location, Member};
use crate::protocol::{Protocol, RoutedRequest, decode_request};
use crate::value::Value;
use base64::Engine;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) fn check(vector: &Vector) -> Result<Met, String> {
    let serialized = &vector.case["serialized"];
    if serialized["headers"]["Content-Encoding"].is_string() && serialized["body"].is_null() {
        return Ok(Met::SaysNothing);
    }
    let body = serialized["body"].as_str().unwrap_or_default();
    let body: Bytes = match vector.protocol() {
        Protocol::RpcV2Cbor => base64::engine::general_purpose::STANDARD
            .decode(body)
            .expect("base64")
            .into(),
        _ => body.to_owned().into(),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in serialized["headers"].as_object().into_iter().flatten() {
        let name = HeaderName::try_from(name.as_str()).expect("a header name");
        headers.insert(
            name,
            HeaderValue::try_from(value.as_str().expect("text")).expect("a header value"),
        );
    }
    let (path, query) = split_uri(vector, serialized["uri"].as_str().unwrap_or("/"));
    let operation = vector.operation();
    let mut labels = Vec::new();
    if vector.protocol().is_rest() {
        let method = serialized["method"].as_str().unwrap_or(&operation.method);
        let found = vector
            .model
            .routes
            .find(method, path, query)
            .map_err(|why| format!("no route for {path}: {why:?}"))?;
        labels = found.labels;
    }
    let request = RoutedRequest {
        labels: &labels,
        query,
        headers: &headers,
        body: &body,
    };
    let decoded =
        decode_request(&vector.model, operation, vector.protocol(), request).map_err(|error| error.message)?;
    let Some(member) = &operation.input else {
        return Ok(Met::Exactly);
    };
    let wanted = canonical(&expected(&vector.model, member, &vector.case["params"]));
    let mut got = canonical(&decoded);
    // The client adds a token that the caller did not give.
    for member in vector.model.structure(member).expect("a structure").members.iter() {
        if member.idempotency_token
            && wanted.get(&member.name).is_none()
            && let Value::Map(entries) = &mut got
        {
            entries.retain(|(name, _)| *name != member.name);
        }
    }
    forget_named_parameters(vector, member, &mut got, &wanted);
    if got == wanted {
        Ok(Met::Exactly)
    } else {
        Err(format!("\n   got {got:?}\nwanted {wanted:?}"))
    }
}

/// A server puts every parameter of the query into a map that is bound to the query, a client's caller only those that
/// have no member of their own.
fn forget_named_parameters(vector: &Vector, input: &Member, got: &mut Value, wanted: &Value) {
    let members = &vector.model.structure(input).expect("a structure").members;
    let in_query = || members.iter().filter(|member| member.location == Location::Query);
    let is_map = |member: &Member| matches!(vector.model.shape(member.shape).kind, Kind::Map(..));
    let named: Vec<&str> = in_query()
        .filter(|member| !is_map(member))
        .map(Member::wire_name)
        .collect();
    let Value::Map(entries) = got else { return };
    for map in in_query().filter(|member| is_map(member)) {
        let given = wanted.get(&map.name);
        for (_, value) in entries.iter_mut().filter(|(name, _)| *name == map.name) {
            if let Value::Map(parameters) = value {
                parameters.retain(|(name, _)| {
                    !named.contains(&name.as_str()) || given.is_some_and(|given| given.get(name).is_some())
                });
            }
        }
        entries.retain(|(name, value)| *name != map.name || given.is_some() || *value != Value::Map(Vec::new()));
    }
}
