//! The bytes of an object as records are read from them: decompressed, counted.

use std::io::Write;

use flate2::write::MultiGzDecoder;

use super::error::refused;
use crate::{Error, Result};

/// Compressed bytes that are taken at a time, so that what they unfold to stays small.
const PIECE_BYTES: usize = 4096;

/// What the bytes of the object become.
pub(super) enum Unpacker {
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Unpacker {
    /// # Errors
    /// `InvalidCompressionFormat`; `NotImplemented` for BZIP2.
    pub(super) fn new(kind: Option<&str>) -> Result<Self> {
        match kind {
            None | Some("" | "NONE") => Ok(Self::Plain),
            Some("GZIP") => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
            Some("BZIP2") => {
                let message = "BZIP2 input of SelectObjectContent is not built: only GZIP and NONE.";
                Err(Error::client("NotImplemented", 501, message))
            }
            Some(_) => Err(invalid()),
        }
    }

    /// Whether the bytes are taken as they are.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// Calls `with` for what `bytes` become, piece by piece; ends early when it says so.
    ///
    /// # Errors
    /// `TruncatedInput` and its kin for what is not compressed as it should be.
    pub(super) fn push(&mut self, bytes: &[u8], with: &mut impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        let Self::Gzip(decoder) = self else {
            with(bytes)?;
            return Ok(());
        };
        for piece in bytes.chunks(PIECE_BYTES) {
            decoder.write_all(piece).map_err(|_| invalid())?;
            let unpacked = std::mem::take(decoder.get_mut());
            if !unpacked.is_empty() && !with(&unpacked)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What is left at the end.
    ///
    /// # Errors
    /// As [`Unpacker::push`].
    pub(super) fn finish(&mut self) -> Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(Vec::new()),
            Self::Gzip(decoder) => {
                decoder.try_finish().map_err(|_| {
                    let message = "Object decompression failed. Check that the object is properly compressed using \
                                   the format specified in the request.";
                    refused("TruncatedInput", message)
                })?;
                Ok(std::mem::take(decoder.get_mut()))
            }
        }
    }
}

fn invalid() -> Error {
    let message = "The file is not in a supported compression format. Only GZIP is supported.";
    refused("InvalidCompressionFormat", message)
}
