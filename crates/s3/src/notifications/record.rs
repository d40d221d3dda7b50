//! The document that tells of an event.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.

use danbi_core::{Principal, RequestContext, Timestamp, uri};
use serde::{Deserialize, Serialize};

/// What is kept of an event until it is told: all of its document that no configuration changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub event_version: String,
    pub event_source: String,
    pub aws_region: String,
    pub event_time: String,
    pub event_name: String,
    pub user_identity: Identity,
    pub request_parameters: RequestParameters,
    pub response_elements: ResponseElements,
    pub s3: Of,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    pub principal_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RequestParameters {
    #[serde(rename = "sourceIPAddress")]
    pub source_ip_address: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResponseElements {
    #[serde(rename = "x-amz-request-id")]
    pub request_id: String,
    #[serde(rename = "x-amz-id-2")]
    pub id_2: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Of {
    #[serde(rename = "s3SchemaVersion")]
    pub schema_version: String,
    #[serde(rename = "configurationId")]
    pub configuration_id: String,
    pub bucket: OfBucket,
    pub object: OfObject,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfBucket {
    pub name: String,
    pub owner_identity: Identity,
    pub arn: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfObject {
    /// Encoded as a form is.
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<String>,
}

/// `{"Records":[…]}`.
#[derive(Debug, Serialize)]
pub(super) struct Document<'r> {
    #[serde(rename = "Records")]
    pub records: [&'r Record; 1],
}

/// A key as forms encode it: letters, digits and `-_.*` plainly, a space as `+`, all else byte by byte.
pub(super) fn encoded_key(key: &str) -> String {
    const ENCODED: &uri::AsciiSet = &uri::RESERVED_IN_PATH.remove(b'*').remove(b' ').add(b'~');
    uri::encode(key, ENCODED).replace(' ', "+")
}

/// `2026-01-02T03:04:05.678Z`.
pub(super) fn iso_time(time: Timestamp) -> String {
    const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    // The format asks for nothing that a date and time does not have.
    time.to_datetime().format(FORMAT).unwrap_or_default()
}

/// `2026-01-02T03:04:05Z`.
pub(super) fn iso_seconds(time: Timestamp) -> String {
    const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    // The format asks for nothing that a date and time does not have.
    time.to_datetime().format(FORMAT).unwrap_or_default()
}

/// Sixteen or more hexadecimal digits that are larger, compared as text, for a later change of a key.
pub(super) fn sequencer(place: u64) -> String {
    format!("{place:016X}")
}

/// Who did it, as events name callers.
pub(super) fn principal_id(context: &RequestContext) -> String {
    match &context.principal {
        Principal::Root(account) => format!("AWS:{account}"),
        Principal::Identity { id, .. } => format!("AWS:{id}"),
        Principal::Service(name) => name.clone(),
        Principal::Anonymous => "Anonymous".into(),
    }
}
