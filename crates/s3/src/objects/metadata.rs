//! User metadata in headers that carry ASCII only: RFC 2047 words, the way S3 writes and reads them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

/// How S3 keeps a value that came in a header: an encoded word of nothing but ASCII is decoded.
pub(super) fn kept(value: &str) -> String {
    let decoded = decode(value).filter(|text| text.bytes().all(is_plain));
    decoded.unwrap_or_else(|| value.to_owned())
}

/// How S3 writes a kept value into a header: as it is when it is ASCII, else as an encoded word.
pub(super) fn shown(value: &str) -> String {
    let plain = value.chars().filter(|c| c.is_ascii() && is_plain(*c as u8)).count();
    let other = value.chars().count() - plain;
    if other == 0 {
        return value.to_owned();
    }
    if plain <= other {
        return format!("=?UTF-8?B?{}?=", STANDARD.encode(value));
    }
    let mut word = String::from("=?UTF-8?Q?");
    for byte in value.bytes() {
        match byte {
            b' ' => word.push('_'),
            b'=' | b'?' | b'_' => encode_byte(&mut word, byte),
            byte if is_plain(byte) => word.push(char::from(byte)),
            byte => encode_byte(&mut word, byte),
        }
    }
    word.push_str("?=");
    word
}

fn encode_byte(word: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(word, "={byte:02X}");
}

fn is_plain(byte: u8) -> bool {
    byte == b'\t' || (b' '..=b'~').contains(&byte)
}

fn decode(value: &str) -> Option<String> {
    let word = value.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut parts = word.splitn(3, '?');
    let charset = parts.next()?;
    if !charset.eq_ignore_ascii_case("utf-8") && !charset.eq_ignore_ascii_case("us-ascii") {
        return None;
    }
    let bytes = match (parts.next()?, parts.next()?) {
        ("B" | "b", text) => STANDARD.decode(text).ok()?,
        ("Q" | "q", text) => decode_q(text)?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

fn decode_q(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'_' => out.push(b' '),
            b'=' => {
                let digits = [bytes.next()?, bytes.next()?];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            byte => out.push(byte),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_answers() {
        // Recorded from AWS.
        assert_eq!(shown("ÄMÄZÕÑ S3"), "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=");
        assert_eq!(
            shown("non-ascii-%E2%80%94_—_é_"),
            "=?UTF-8?Q?non-ascii-%E2%80%94=5F=E2=80=94=5F=C3=A9=5F?="
        );
        assert_eq!(kept("=?UTF-8?B?YWJj?="), "abc");
        assert_eq!(kept("=?UTF-8?Q?actually-ascii?="), "actually-ascii");
        assert_eq!(shown(&kept("=?UTF-8?B?AAECAw==?=")), "=?UTF-8?B?AAECAw==?=");
        assert_eq!(
            shown("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
            "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
        );
        assert_eq!(kept("=?UTF-8?B?%%?="), "=?UTF-8?B?%%?=");
    }
}
