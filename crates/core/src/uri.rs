//! Percent-encoding, as RFC 3986 (section 2.1) has it.

pub use percent_encoding::AsciiSet;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use std::borrow::Cow;

/// All but the unreserved characters: letters, digits and `-._~`. What AWS encodes in a query.
pub const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// [`RESERVED`] without the slash, for a path of several segments.
pub const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// `text` with every byte as `%XX` that is not ASCII or belongs to `encoded`.
pub fn encode(text: impl AsRef<[u8]>, encoded: &'static AsciiSet) -> String {
    percent_encode(text.as_ref(), encoded).to_string()
}

/// The bytes of `text`; a `%` that begins no escape stays what it is.
pub fn decode(text: &str) -> Cow<'_, [u8]> {
    percent_decode_str(text).into()
}

/// As [`decode`]; bytes that are not UTF-8 become U+FFFD.
pub fn decode_text(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(encode("a-._~/ \u{e9}%", RESERVED), "a-._~%2F%20%C3%A9%25");
        assert_eq!(encode("a/b c", RESERVED_IN_PATH), "a/b%20c");
        assert_eq!(decode_text("a%2fb%C3%a9%zz%"), "a/b\u{e9}%zz%");
        assert_eq!(decode("%ff").as_ref(), [0xff]);
        assert_eq!(decode_text("%ff"), "\u{fffd}");
    }
}
