//! What is read of a request besides its modelled members, and what S3 reads differently.

use super::signed::Signed;
use crate::model::{self, Kind, Model, OperationModel};
use crate::protocol::{DecodeError, Protocol};
use crate::s3;
use crate::sigv4::{Location, Payload};
use crate::validate;
use crate::value::Value;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use danbi_core::{Client, RequestFacts, ServiceError, SignatureFacts, Timestamp};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, IF_RANGE, REFERER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Version};
use md5::{Digest, Md5};
use std::borrow::Cow;

const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
/// The most bytes of a `Referer` that a context keeps.
const MAX_REFERER: usize = 4096;
/// Bytes of an `If-Range` that count: an entity tag or a date.
const MAX_IF_RANGE: usize = 256;
const TRACE: HeaderName = HeaderName::from_static("x-amzn-trace-id");
/// Bytes of a trace header that is handed on.
const MAX_TRACE: usize = 1024;
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-danbi-environment");
/// The most bytes of it that a context keeps.
const MAX_ENVIRONMENT: usize = 32;

/// The headers as the input's members read them: of an `aws-chunked` body of S3, its length and encoding are those of
/// the content.
pub(super) fn headers<'h>(model: &Model, headers: &'h HeaderMap) -> Cow<'h, HeaderMap> {
    let length = headers.get(DECODED_LENGTH).filter(|_| s3::is_s3(model));
    let Some(length) = length.cloned() else {
        return Cow::Borrowed(headers);
    };
    let mut content = headers.clone();
    content.insert(CONTENT_LENGTH, length);
    let encodings = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let kept: Vec<&str> = encodings
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    content.remove(CONTENT_ENCODING);
    if let Ok(value) = HeaderValue::try_from(kept.join(","))
        && !kept.is_empty()
    {
        content.insert(CONTENT_ENCODING, value);
    }
    Cow::Owned(content)
}

/// How many bytes the content of a body that streams has, as the request says.
///
/// # Errors
/// `MissingContentLength`: S3 stores nothing whose length it was not told.
pub(super) fn declared_length(parts: &Parts, payload: Payload) -> Result<Option<u64>, ServiceError> {
    let number = |name: HeaderName| parts.headers.get(name)?.to_str().ok()?.trim().parse().ok();
    let chunked = matches!(payload, Payload::SignedChunks { .. } | Payload::UnsignedChunks);
    let length = number(if chunked { DECODED_LENGTH } else { CONTENT_LENGTH });
    // HTTP/2 frames a body without saying its length.
    if length.is_none() && parts.version < Version::HTTP_2 {
        let message = "You must provide the Content-Length HTTP header.";
        return Err(ServiceError::client("MissingContentLength", 411, message));
    }
    Ok(length)
}

/// A request whose form is wrong.
pub(super) fn malformed(model: &Model, protocol: Protocol, error: DecodeError) -> ServiceError {
    let code = match protocol {
        Protocol::RestXml if s3::is_s3(model) => {
            let Some((name, text)) = error.argument else {
                return malformed_xml();
            };
            let message = match name.as_str() {
                "max-keys" | "max-uploads" | "max-parts" | "part-number-marker" => {
                    format!("Provided {name} not an integer or within integer range")
                }
                "partNumber" => "Part number must be an integer between 1 and 10000, inclusive".to_owned(),
                _ => error.message,
            };
            return ServiceError::client("InvalidArgument", 400, message)
                .with("ArgumentName", name)
                .with("ArgumentValue", text);
        }
        Protocol::RestXml => "MalformedXML",
        Protocol::Query | Protocol::Ec2 => "MalformedInput",
        _ => "SerializationException",
    };
    ServiceError::client(code, 400, error.message)
}

fn malformed_xml() -> ServiceError {
    let message = "The XML you provided was not well-formed or did not validate against our published schema";
    ServiceError::client("MalformedXML", 400, message)
}

/// Holds a document against the MD5 that its client sent with it.
///
/// # Errors
/// S3's `InvalidDigest` for a header that is none, `BadDigest` for another body.
pub(super) fn check_md5(parts: &Parts, body: &Bytes) -> Result<(), ServiceError> {
    let Some(given) = parts.headers.get(CONTENT_MD5) else {
        return Ok(());
    };
    let given = given.to_str().unwrap_or_default().trim();
    let expected = BASE64_STANDARD.decode(given).ok().filter(|digest| digest.len() == 16);
    let Some(expected) = expected else {
        let message = "The Content-MD5 you specified was invalid.";
        return Err(ServiceError::client("InvalidDigest", 400, message).with("Content-MD5", given));
    };
    let calculated = Md5::digest(body);
    if calculated[..] == expected[..] {
        return Ok(());
    }
    let message = "The Content-MD5 you specified did not match what we received.";
    Err(ServiceError::client("BadDigest", 400, message)
        .with("ExpectedDigest", given)
        .with("CalculatedDigest", BASE64_STANDARD.encode(calculated)))
}

/// S3 holds only documents against its schema; what headers and parameters say each operation judges itself.
pub(super) fn check_document(
    model: &Model,
    operation: &OperationModel,
    input: &Value,
    body: &Bytes,
) -> Result<(), ServiceError> {
    let structure = operation.input.as_ref().and_then(|member| model.structure(member));
    let Some(payload) = structure.and_then(|structure| structure.payload.map(|at| &structure.members[at])) else {
        return Ok(());
    };
    if !matches!(model.shape(payload.shape).kind, Kind::Structure(_)) || payload.location != model::Location::Body {
        return Ok(());
    }
    match input.get(&payload.name).filter(|value| !value.is_null()) {
        Some(document) => validate::validate(model, payload, document).map_err(|_| malformed_xml()),
        None if payload.required && body.is_empty() => Err(ServiceError::client(
            "MissingRequestBodyError",
            400,
            "Request Body is empty",
        )),
        None => Ok(()),
    }
}

/// What few services ask of a request.
pub(super) fn facts(parts: &Parts, claim: &Signed, client: Client, now: Timestamp) -> RequestFacts {
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let kind = |location| match location {
        Location::Header => "REST-HEADER",
        Location::Query => "REST-QUERY-STRING",
    };
    let signature = match claim {
        Signed::V4(claim) => Some(SignatureFacts {
            version: "AWS4-HMAC-SHA256",
            kind: kind(claim.location),
            age_ms: u64::try_from(now.as_millis() - claim.signed_at.as_millis()).unwrap_or(0),
            access_key_id: claim.access_key_id.clone(),
        }),
        Signed::V2(claim) => Some(SignatureFacts {
            version: "AWS",
            kind: kind(claim.location),
            age_ms: 0,
            access_key_id: claim.access_key_id.clone(),
        }),
        Signed::No | Signed::Wrongly(_) | Signed::WronglyV2(_) => None,
    };
    RequestFacts {
        source: None,
        resource: parts.uri.path().to_owned(),
        // Header text is ASCII, so every cut is at a character.
        referer: text(REFERER).map(|text| text[..text.len().min(MAX_REFERER)].to_owned()),
        signature,
        content_sha256: text(CONTENT_SHA256).map(str::to_owned),
        encryption: text(HeaderName::from_static("x-amz-server-side-encryption")).map(str::to_owned),
        if_range: text(IF_RANGE).map(|text| text[..text.len().min(MAX_IF_RANGE)].to_owned()),
        environment: text(ENVIRONMENT).map(|text| text[..text.len().min(MAX_ENVIRONMENT)].to_owned()),
        trace: text(TRACE)
            .filter(|text| !text.is_empty() && text.len() <= MAX_TRACE)
            .map(str::to_owned),
        client,
    }
}
