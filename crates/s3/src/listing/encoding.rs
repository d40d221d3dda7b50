use crate::{Error, Result};
use danbi_core::uri::{self, AsciiSet, RESERVED_IN_PATH};

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
        const ENCODED: &AsciiSet = &RESERVED_IN_PATH.remove(b'*').add(b'~');
        uri::encode(text, ENCODED)
    }
}
