//! The grammar of bucket names and object keys, and what is called after them.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>.

use crate::Error;
use danbi_core::{RequestContext, uri};

/// The longest object key, in bytes of UTF-8.
pub(crate) const MAX_KEY_BYTES: usize = 1024;

const RESERVED_PREFIXES: [&str; 4] = ["xn--", "sthree-", "amzn-s3-demo-", "arn:"];
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// Whether a bucket may have this name.
pub(crate) fn is_bucket_name(name: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && edge(bytes.first().copied())
        && edge(bytes.last().copied())
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Checks the name of a bucket that is to be made. A name that could never have been given is looked up like any other:
/// there is no such bucket.
pub(crate) fn check_bucket_name(name: &str) -> Result<(), Error> {
    if is_bucket_name(name) {
        Ok(())
    } else {
        Err(Error::invalid_bucket_name(name))
    }
}

/// Checks an object key that comes with a request.
pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::key_too_long(key.len()));
    }
    Ok(())
}

/// Whether this is how regions are named, such as `eu-central-1`.
pub(crate) fn is_region(name: &str) -> bool {
    let mut parts = name.split('-');
    let letters = |part: &str| part.len() >= 2 && part.bytes().all(|b| b.is_ascii_lowercase());
    let digits = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    name.len() <= 32
        && parts.next_back().is_some_and(digits)
        && (2..=3).contains(&parts.clone().count())
        && parts.all(letters)
}

/// The region that a location constraint means.
pub(crate) fn region_of(location: &str) -> &str {
    if location == "EU" { "eu-west-1" } else { location }
}

/// The ARN of a bucket.
pub(crate) fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

/// The ARN of an object.
pub(crate) fn object_arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

/// Where an object is, by the host that the client addressed.
pub(crate) fn address(context: &RequestContext, bucket: &str, key: &str) -> String {
    let scheme = if context.secure { "https" } else { "http" };
    let host = &context.host;
    let key = uri::encode(key, uri::RESERVED_IN_PATH);
    let by_host = host.strip_prefix(bucket).is_some_and(|rest| rest.starts_with('.'));
    if by_host {
        format!("{scheme}://{host}/{key}")
    } else {
        format!("{scheme}://{host}/{bucket}/{key}")
    }
}

/// `text` without its percent-encoding; `None` for an escape that is none, and for what is no UTF-8.
pub(crate) fn unescaped(text: &str) -> Option<String> {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    String::from_utf8(uri::decode(text).into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_have_a_grammar() {
        for good in ["abc", "my-bucket.example.com", "0a0", &"a".repeat(63), "a.-b"] {
            assert!(is_bucket_name(good), "{good}");
        }
        for bad in [
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            "a..b",
            ".ab",
            "192.168.5.4",
            "xn--abc",
            "abc-s3alias",
            "a b",
            "aé-",
            &"a".repeat(64),
        ] {
            assert!(!is_bucket_name(bad), "{bad}");
        }
    }

    #[test]
    fn escapes_are_whole_and_make_text() {
        assert_eq!(unescaped("a%2Fb%c3%a9+").as_deref(), Some("a/b\u{e9}+"));
        for bad in ["%", "a%2", "%zz", "%%41", "%ff", "%+1", "a%\u{e9}"] {
            assert_eq!(unescaped(bad), None, "{bad}");
        }
    }

    #[test]
    fn regions_have_a_grammar() {
        for good in ["us-east-1", "ap-southeast-12", "us-gov-west-1"] {
            assert!(is_region(good), "{good}");
        }
        for bad in ["", "foo", "EU", "aws-global", "us-1", "us-east-1a", "-east-1"] {
            assert!(!is_region(bad), "{bad}");
        }
    }

    #[test]
    fn keys_are_bounded_in_bytes() {
        assert!(check_key(&"k".repeat(1024)).is_ok());
        assert!(check_key(&"é".repeat(513)).is_err());
    }
}
