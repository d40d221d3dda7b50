//! The tags of objects and buckets: what may be one, and the two forms in which they come.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>.

use std::collections::{BTreeMap, HashSet};

use crate::shapes::Tag;
use crate::{Dialect, Error, Result, names};

/// Tags by their key.
pub(crate) type Tags = BTreeMap<String, String>;

/// Most tags of a bucket.
const MAX_BUCKET_TAGS: usize = 50;
/// Most tags of an object.
pub(crate) const MAX_TAGS: usize = 10;
/// Longest key, in characters.
const MAX_KEY_CHARS: usize = 128;
/// Longest value, in characters.
const MAX_VALUE_CHARS: usize = 256;

/// The tags of an `x-amz-tagging` header: `key1=value1&key2=value2`, encoded as a form.
///
/// # Errors
/// `InvalidArgument`; `BadRequest` for too many; `InvalidTag` for a tag of AWS's own.
pub(crate) fn from_header(header: &str, dialect: Dialect) -> Result<Tags> {
    let malformed = || {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without \
                       tag name duplicates.";
        Error::invalid_argument("x-amz-tagging", header, message)
    };
    let mut tags = Tags::new();
    for pair in header.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode(key).ok_or_else(malformed)?;
        let value = decode(value).ok_or_else(malformed)?;
        if !is_key(&key) || !is_value(&value) {
            return Err(malformed());
        }
        refuse_system_tag(&key)?;
        if tags.insert(key, value).is_some() {
            return Err(malformed());
        }
    }
    refuse_too_many(tags.len(), dialect)?;
    Ok(tags)
}

/// The tags of a `Tagging` document.
///
/// # Errors
/// `InvalidTag`; `BadRequest` for too many.
pub(crate) fn from_set(set: &[Tag], dialect: Dialect) -> Result<Tags> {
    refuse_too_many(set.len(), dialect)?;
    let mut tags = Tags::new();
    for tag in set {
        check_tag(tag)?;
        let Tag { key, value } = tag;
        refuse_system_tag(key)?;
        if tags.insert(key.clone(), value.clone()).is_some() {
            return Err(invalid("Cannot provide multiple Tags with the same key", key));
        }
    }
    Ok(tags)
}

/// As a `Tagging` document lists them.
pub(crate) fn to_set(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

/// Checks the tags that a bucket shall have.
///
/// # Errors
/// `InvalidTag`; `BadRequest` for too many.
pub(crate) fn check_bucket_tags(tags: &[Tag]) -> Result<()> {
    if tags.len() > MAX_BUCKET_TAGS {
        let message = format!("Bucket tag count cannot be greater than {MAX_BUCKET_TAGS}");
        return Err(Error::client("BadRequest", 400, message));
    }
    let mut seen = HashSet::new();
    for tag in tags {
        if is_system_tag(&tag.key) {
            return Err(invalid("System tags cannot be added/updated by requester", &tag.key));
        }
        check_tag(tag)?;
        if !seen.insert(tag.key.as_str()) {
            return Err(invalid("Cannot provide multiple Tags with the same key", &tag.key));
        }
    }
    Ok(())
}

/// Checks the key and the value of a tag, whether it is given to something or looked for by a rule.
///
/// # Errors
/// `InvalidTag`.
pub(crate) fn check_tag(Tag { key, value }: &Tag) -> Result<()> {
    if !is_key(key) {
        return Err(invalid("The TagKey you have provided is invalid", key));
    }
    if !is_value(value) {
        return Err(invalid("The TagValue you have provided is invalid", key).with("TagValue", value));
    }
    Ok(())
}

fn refuse_too_many(count: usize, dialect: Dialect) -> Result<()> {
    if count > MAX_TAGS {
        return Err(dialect.too_many_tags());
    }
    Ok(())
}

fn refuse_system_tag(key: &str) -> Result<()> {
    if is_system_tag(key) {
        return Err(invalid("Your TagKey cannot be prefixed with aws:", key));
    }
    Ok(())
}

/// Whether only AWS itself may give the tag.
pub(crate) fn is_system_tag(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

fn invalid(message: &str, key: &str) -> Error {
    Error::client("InvalidTag", 400, message).with("TagKey", key)
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && is_text(key, MAX_KEY_CHARS)
}

fn is_value(value: &str) -> bool {
    is_text(value, MAX_VALUE_CHARS)
}

fn is_text(text: &str, most: usize) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c);
    text.chars().count() <= most && text.chars().all(allowed)
}

/// One name or value of a form.
fn decode(text: &str) -> Option<String> {
    names::unescaped(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Vec<Tag> {
        let tag = |&(key, value): &(&str, &str)| Tag {
            key: key.into(),
            value: value.into(),
        };
        pairs.iter().map(tag).collect()
    }

    #[test]
    fn a_header_is_a_form() {
        let tags = from_header("tag1=tag1&tag2&tag=&k%20ey+x=a%3Db%2Fc", Dialect::Aws).unwrap();
        let expected = [("k ey x", "a=b/c"), ("tag", ""), ("tag1", "tag1"), ("tag2", "")];
        assert_eq!(to_set(&tags), set(&expected));
        assert!(from_header("", Dialect::Aws).unwrap().is_empty());
        for bad in [
            "key1=val1&key1=val2",
            "key1=val1,key2=val2",
            "=x",
            "a=%",
            "a=%zz",
            "a=%ff",
            &format!("{}=1", "k".repeat(129)),
        ] {
            assert_eq!(
                from_header(bad, Dialect::Aws).unwrap_err().code(),
                Some("InvalidArgument"),
                "{bad}"
            );
        }
        let many: Vec<_> = (0..11).map(|n| format!("k{n}=v")).collect();
        assert_eq!(
            from_header(&many.join("&"), Dialect::Aws).unwrap_err().code(),
            Some("BadRequest")
        );
        assert_eq!(
            from_header("aws:x=y", Dialect::Aws).unwrap_err().code(),
            Some("InvalidTag")
        );
    }

    #[test]
    fn a_set_is_checked() {
        let longest = [("k".repeat(128), "é".repeat(256))];
        let longest: Vec<_> = longest.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert!(from_set(&set(&longest), Dialect::Aws).is_ok());
        for bad in [
            [("a", "1"), ("a", "2")],
            [("", "1"), ("b", "2")],
            [("a,b", "1"), ("b", "2")],
            [("a", "1,2"), ("b", "2")],
            [("AWS:a", "1"), ("b", "2")],
            [("a", "1"), ("b", &"v".repeat(257))],
        ] {
            assert_eq!(
                from_set(&set(&bad), Dialect::Aws).unwrap_err().code(),
                Some("InvalidTag"),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn buckets_have_words_of_their_own() {
        let message = |pairs: &[(&str, &str)]| match check_bucket_tags(&set(pairs)) {
            Err(Error::Answer(answer)) => answer.message,
            _ => String::new(),
        };
        assert_eq!(message(&[("a", ""), ("größe", "x y/z@w")]), "");
        assert_eq!(message(&[("a,b", "")]), "The TagKey you have provided is invalid");
        assert_eq!(message(&[("a", "b,c")]), "The TagValue you have provided is invalid");
        assert_eq!(
            message(&[("aws:x", "")]),
            "System tags cannot be added/updated by requester"
        );
        assert_eq!(
            message(&[("a", "1"), ("a", "2")]),
            "Cannot provide multiple Tags with the same key"
        );
    }
}
