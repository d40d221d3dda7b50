//! How an answer of S3 names its request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::RequestId;
use http::HeaderName;

/// The header of the request's id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
/// The header of the id of the host that served it.
pub(crate) const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
/// The `Server` header.
pub(crate) const SERVER: &str = "AmazonS3";

/// S3's form of a request id: 16 upper-case letters and digits.
pub fn request_id(id: RequestId) -> String {
    let mut text: String = id
        .to_string()
        .chars()
        .filter(|letter| *letter != '-')
        .take(16)
        .collect();
    text.make_ascii_uppercase();
    text
}

/// The second id that goes with it: says nothing of the host, only looks like S3's.
pub fn host_id(request_id: &str) -> String {
    STANDARD.encode(crate::sigv4::sha256(request_id.as_bytes()))
}
