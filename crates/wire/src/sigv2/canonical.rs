//! The text that both sides sign.

use crate::protocol::parse_form;
use crate::s3;
use crate::sigv4::RequestView;
use std::collections::BTreeMap;

/// The query parameters that are part of the resource, sorted.
#[rustfmt::skip]
const SUBRESOURCES: &[&str] = &[
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
    "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
    "response-cache-control", "response-content-disposition", "response-content-encoding",
    "response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type",
    "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
];

const SECURITY_TOKEN: &str = "x-amz-security-token";

/// The strings that may have been signed. `date` is the `Date` header, the expiry of a presigned URL, or empty when
/// `x-amz-date` is there. A path that is a bucket alone may be signed with a slash behind it, as botocore does.
pub(super) fn strings_to_sign(view: &RequestView<'_>, date: &str) -> Vec<String> {
    let mut strings = vec![string_to_sign(view, date, view.path)];
    let is_bucket_alone = view.path.len() > 1 && !view.path[1..].contains('/');
    if is_bucket_alone {
        strings.push(string_to_sign(view, date, &format!("{}/", view.path)));
    }
    strings
}

fn string_to_sign(view: &RequestView<'_>, date: &str, path: &str) -> String {
    let header = |name: &str| {
        let value = view
            .headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
        value.unwrap_or_default()
    };
    format!(
        "{}\n{}\n{}\n{date}\n{}{}",
        view.method,
        header("content-md5"),
        header("content-type"),
        amz_headers(view),
        resource(view, path)
    )
}

/// Every `x-amz-` header as `name:value`, sorted; several values of one are joined by commas. A presigned URL bears the
/// session's token as a parameter, which is signed as the header that it stands for.
fn amz_headers(view: &RequestView<'_>) -> String {
    let mut lines = BTreeMap::<&str, String>::new();
    for (name, value) in view.headers {
        if !name.as_str().starts_with("x-amz-") {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
        lines
            .entry(name.as_str())
            .and_modify(|line| {
                line.push(',');
                line.push_str(&value);
            })
            .or_insert(value);
    }
    if let Some(token) = view.parameter(SECURITY_TOKEN) {
        lines.entry(SECURITY_TOKEN).or_insert(token);
    }
    lines
        .into_iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect()
}

/// The virtual host's bucket, the path as it was sent, and the subresources with their decoded values.
fn resource(view: &RequestView<'_>, path: &str) -> String {
    let host = view
        .headers
        .get(http::header::HOST)
        .and_then(|value| value.to_str().ok());
    let host = host.or(view.authority).unwrap_or_default();
    let mut out = String::new();
    if let Some(bucket) = s3::Host::parse(host).and_then(|host| host.bucket) {
        out.push('/');
        out.push_str(&bucket.to_ascii_lowercase());
    }
    out.push_str(if path.is_empty() { "/" } else { path });
    // A query of too many parameters signs nothing, so it matches nothing.
    let given = parse_form(view.query).unwrap_or_default();
    let raw: Vec<&str> = view.query.split('&').collect();
    let mut parameters: Vec<(String, Option<String>)> = given
        .into_iter()
        .filter(|(name, _)| SUBRESOURCES.contains(&name.as_str()))
        .map(|(name, value)| {
            let bare = value.is_empty() && raw.contains(&name.as_str());
            (name, (!bare).then_some(value))
        })
        .collect();
    parameters.sort();
    for (at, (name, value)) in parameters.iter().enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        out.push_str(name);
        if let Some(value) = value {
            out.push('=');
            out.push_str(value);
        }
    }
    out
}
