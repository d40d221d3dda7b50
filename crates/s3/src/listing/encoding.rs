use crate::{Error, Result};
use std::fmt::Write;

/// How keys are written in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    /// `encoding-type=url`, for keys that XML cannot carry.
    Url,
}

impl Encoding {
    /// # Errors
    /// `InvalidArgument` for another than `url`.
    pub(crate) fn parse(asked: Option<&str>) -> Result<Self> {
        match asked {
            None => Ok(Self::Plain),
            Some("url") => Ok(Self::Url),
            Some(other) => {
                let message = "Invalid Encoding Method specified in Request";
                Err(Error::invalid_argument("encoding-type", other, message))
            }
        }
    }

    /// What `EncodingType` says.
    pub(crate) fn name(self) -> Option<String> {
        (self == Self::Url).then(|| "url".into())
    }

    pub(crate) fn write(self, text: &str) -> String {
        if self == Self::Plain {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' | b'/' => {
                    out.push(char::from(byte));
                }
                // Writing to a String cannot fail.
                byte => drop(write!(out, "%{byte:02X}")),
            }
        }
        out
    }
}
