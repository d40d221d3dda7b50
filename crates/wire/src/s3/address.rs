//! Bucket and key of a request, whichever way it is written.

use super::Host;
use super::host::Endpoint;
use danbi_core::ServiceError;
use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;

/// Which bucket and which object a request addresses. Keys are any text: no dot segment, slash or escape in them means
/// anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Address {
    pub(crate) bucket: Option<String>,
    /// Never empty.
    pub(crate) key: Option<String>,
    /// The region in the host name.
    pub(crate) region: Option<String>,
}

impl Address {
    /// Reads the virtual host, else the path.
    ///
    /// # Errors
    /// `InvalidURI` when the path does not decode to text.
    pub(crate) fn of(parts: &Parts) -> Result<Self, ServiceError> {
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        let host = host(&parts.headers).or(authority).unwrap_or_default();
        Self::parse(host, parts.uri.path())
    }

    fn parse(host: &str, path: &str) -> Result<Self, ServiceError> {
        let invalid = || ServiceError::client("InvalidURI", 400, "Couldn't parse the specified URI.").with("URI", path);
        let host = Host::parse(host).filter(|host| host.endpoint == Endpoint::Api);
        let region = host.and_then(|host| host.region).map(str::to_ascii_lowercase);
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = match host.and_then(|host| host.bucket) {
            Some(bucket) => (Some(bucket.to_ascii_lowercase()), path),
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                let bucket = decode(bucket).ok_or_else(invalid)?;
                ((!bucket.is_empty()).then_some(bucket), key)
            }
        };
        let key = decode(key).ok_or_else(invalid)?;
        Ok(Self {
            bucket,
            key: (!key.is_empty()).then_some(key),
            region,
        })
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST)?.to_str().ok()
}

/// Percent-decodes; `None` when an escape is broken or the bytes are not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        // Two hexadecimal digits make at most 255.
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(host: &str, path: &str) -> (Option<String>, Option<String>) {
        let address = Address::parse(host, path).unwrap();
        (address.bucket, address.key)
    }

    #[test]
    fn keys_are_taken_as_they_are() {
        let some = |text: &str| Some(text.to_owned());
        for (path, bucket, key) in [
            ("/", None, None),
            ("/b", some("b"), None),
            ("/b/", some("b"), None),
            ("/b/k", some("b"), some("k")),
            ("/b//k", some("b"), some("/k")),
            ("/b/a/../k/./", some("b"), some("a/../k/./")),
            ("/b/a%2Fb%20c+d", some("b"), some("a/b c+d")),
            ("/b/%C3%A9", some("b"), some("é")),
        ] {
            assert_eq!(parsed("localhost:1", path), (bucket, key), "{path}");
        }
        assert_eq!(
            parsed("my.bucket.s3.localhost:1", "/b/k"),
            (some("my.bucket"), some("b/k"))
        );
        assert_eq!(parsed("B.s3.eu-west-1.amazonaws.com", "//"), (some("b"), some("/")));
        assert_eq!(parsed("b.s3.localhost", "/"), (some("b"), None));
        for broken in ["/b/%ff", "/b/%zz", "/b/%4"] {
            assert_eq!(Address::parse("", broken).unwrap_err().code, "InvalidURI");
        }
    }
}
