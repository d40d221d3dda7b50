//! The canonical form of a request: the text that both sides hash.

use super::ALGORITHM;
use super::rules::PathRule;
use danbi_core::{hex, uri};
use http::{HeaderMap, header, request::Parts};

/// A request as SigV4 sees it. Paths and queries are as on the wire, still percent-encoded.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// The path without the query.
    pub path: &'a str,
    /// The query without its `?`; empty when there is none.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// HTTP/2's `:authority`, which stands for a missing `Host`.
    pub authority: Option<&'a str>,
}

impl<'a> From<&'a Parts> for RequestView<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            authority: parts.uri.authority().map(http::uri::Authority::as_str),
        }
    }
}

impl<'a> RequestView<'a> {
    /// The header's first value, when it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    }

    /// The first value of a query parameter, decoded. Names are case-sensitive, as AWS has them.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        pairs(self.query)
            .find(|(key, _)| uri::decode(key).as_ref() == name.as_bytes())
            .map(|(_, value)| String::from_utf8_lossy(&uri::decode(value)).into_owned())
    }

    /// How often a query parameter is given.
    pub(super) fn occurrences(&self, name: &str) -> usize {
        pairs(self.query)
            .filter(|(key, _)| uri::decode(key).as_ref() == name.as_bytes())
            .count()
    }
}

/// The canonical request. `signed_headers` are lower-case, sorted and without repetition; parameters named in
/// `left_out` are no part of the canonical query.
pub(super) fn request(
    view: &RequestView<'_>,
    rule: PathRule,
    signed_headers: &[String],
    left_out: &[&str],
    payload_hash: &str,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + view.path.len() + view.query.len());
    out.extend_from_slice(view.method.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(path(view.path, rule).as_bytes());
    out.push(b'\n');
    out.extend_from_slice(query(view.query, left_out).as_bytes());
    out.push(b'\n');
    for name in signed_headers {
        header_line(view, name, &mut out);
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.join(";").as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload_hash.as_bytes());
    out
}

/// The string to sign for a canonical request. `scope` is `date/region/service/aws4_request`.
pub(super) fn string_to_sign(stamp: &str, scope: &str, canonical_request: &[u8]) -> String {
    let hash = hex::encode(super::sha256(canonical_request));
    format!("{ALGORITHM}\n{stamp}\n{scope}\n{hash}")
}

fn header_line(view: &RequestView<'_>, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let mut values = view
        .headers
        .get_all(name)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .peekable();
    if values.peek().is_none() && name == header::HOST.as_str() {
        out.extend_from_slice(view.authority.unwrap_or_default().as_bytes());
    }
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_collapsed(value, out);
    }
    out.push(b'\n');
}

/// Trims the value and makes every run of white space one space.
fn push_collapsed(value: &[u8], out: &mut Vec<u8>) {
    let words = value.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// The canonical path.
pub(super) fn path(path: &str, rule: PathRule) -> String {
    if path.is_empty() {
        return "/".into();
    }
    match rule {
        PathRule::Single => uri::encode(uri::decode(path), uri::RESERVED_IN_PATH),
        PathRule::Double => {
            let mut segments: Vec<&str> = Vec::new();
            for segment in path.split('/') {
                match segment {
                    "" | "." => {}
                    ".." => drop(segments.pop()),
                    other => segments.push(other),
                }
            }
            let mut out = String::with_capacity(path.len() + 16);
            for segment in &segments {
                out.push('/');
                out.push_str(&encode(segment));
            }
            if segments.is_empty() || path.ends_with('/') {
                out.push('/');
            }
            out
        }
    }
}

/// The canonical query: every name and value decoded and encoded afresh, sorted by both. A `+` is a plus sign.
pub(super) fn query(query: &str, left_out: &[&str]) -> String {
    let mut sorted: Vec<(String, String)> = pairs(query)
        .filter_map(|(key, value)| {
            let key = uri::decode(key);
            if left_out.iter().any(|name| name.as_bytes() == key.as_ref()) {
                return None;
            }
            Some((encode(key), encode(uri::decode(value))))
        })
        .collect();
    sorted.sort_unstable();
    let mut out = String::with_capacity(query.len() + 16);
    for (key, value) in &sorted {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(key);
        out.push('=');
        out.push_str(value);
    }
    out
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    uri::encode(bytes, uri::RESERVED)
}
