//! What a client says about the checksums of a body, and whether the body keeps it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use super::fields::{ChecksumFields, invalid_value};
use super::{ChecksumAlgorithm, ChecksumType, ChecksumValue, Hasher, Md5Hasher};
use crate::{Error, Result};

/// What a client said of a body before it sent it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    /// The MD5 of `Content-MD5`.
    md5: Option<[u8; 16]>,
    /// The value of a header.
    value: Option<ChecksumValue>,
    /// The algorithm, when the value is to come behind the body.
    trailing: Option<ChecksumAlgorithm>,
    /// A trailer comes, and nobody said of which algorithm.
    unknown_trailer: bool,
}

impl Declared {
    /// From the members of the request. `sdk_algorithm` is `x-amz-sdk-checksum-algorithm`, `content_sha256`
    /// `x-amz-content-sha256`, which says whether trailers follow.
    ///
    /// # Errors
    /// `InvalidDigest`, `InvalidRequest`: all before a byte of the body is read.
    pub(crate) fn of(
        fields: &impl ChecksumFields,
        content_md5: Option<&str>,
        sdk_algorithm: Option<&str>,
        content_sha256: Option<&str>,
    ) -> Result<Self> {
        let md5 = content_md5.map(parse_md5).transpose()?;
        let value = fields.one_value()?;
        let algorithm = sdk_algorithm.map(parse_algorithm).transpose()?;
        let trailer = content_sha256.is_some_and(|kind| kind.starts_with("STREAMING-") && kind.ends_with("-TRAILER"));
        if let (Some(algorithm), Some(value)) = (algorithm, &value)
            && algorithm != value.algorithm()
        {
            let message = "Value for x-amz-sdk-checksum-algorithm header is invalid.";
            return Err(Error::invalid_request(message));
        }
        if algorithm.is_some() && value.is_none() && !trailer {
            let message = "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or \
                           x-amz-trailer headers were found.";
            return Err(Error::invalid_request(message));
        }
        Ok(Self {
            md5,
            trailing: if value.is_none() && trailer { algorithm } else { None },
            unknown_trailer: value.is_none() && trailer && algorithm.is_none(),
            value,
        })
    }

    /// Nothing was said: for bytes that are the platform's own, as in a copy.
    pub(crate) fn nothing() -> Self {
        Self {
            md5: None,
            value: None,
            trailing: None,
            unknown_trailer: false,
        }
    }

    /// The algorithm that the client chose, as far as it is known before the body.
    pub(crate) fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.value.map(|value| value.algorithm()).or(self.trailing)
    }
}

/// The algorithm of `x-amz-checksum-algorithm` or `x-amz-sdk-checksum-algorithm`.
///
/// # Errors
/// `InvalidRequest` for one that S3 here does not have.
pub(crate) fn parse_algorithm(name: &str) -> Result<ChecksumAlgorithm> {
    ChecksumAlgorithm::from_name(name).ok_or_else(|| {
        let message = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
                       [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128]";
        Error::invalid_request(message)
    })
}

/// The algorithm and kind that a multipart upload is begun with; `None` when it says nothing.
///
/// # Errors
/// `InvalidRequest` for an unknown algorithm, a kind without algorithm, and a kind that the algorithm does not have.
pub(crate) fn parse_upload(
    algorithm: Option<&str>,
    kind: Option<&str>,
) -> Result<Option<(ChecksumAlgorithm, ChecksumType)>> {
    let Some(algorithm) = algorithm.map(parse_algorithm).transpose()? else {
        if kind.is_some() {
            let message = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
            return Err(Error::invalid_request(message));
        }
        return Ok(None);
    };
    let kind = match kind {
        None => algorithm.default_type(),
        Some(name) => ChecksumType::from_name(name)
            .ok_or_else(|| Error::invalid_request("Value for x-amz-checksum-type header is invalid."))?,
    };
    if !algorithm.supports(kind) {
        return Err(Error::invalid_request(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            algorithm.lower_name()
        )));
    }
    Ok(Some((algorithm, kind)))
}

fn parse_md5(text: &str) -> Result<[u8; 16]> {
    // Sixteen bytes are 24 characters.
    let bytes = if text.len() == 24 {
        STANDARD.decode(text).ok()
    } else {
        None
    };
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Error::invalid_digest(text))
}

/// Computes over a body, while it arrives, what is to be kept of it and what the client declared.
#[derive(Debug)]
pub(crate) struct Verifier {
    declared: Declared,
    md5: Md5Hasher,
    hashers: Vec<Hasher>,
}

/// What a body was found to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Digests {
    pub(crate) md5: [u8; 16],
    /// The algorithm that the client sent a value of, in a header or a trailer.
    pub(crate) declared: Option<ChecksumAlgorithm>,
    values: Vec<ChecksumValue>,
}

impl Digests {
    /// The value of an algorithm that was declared or asked for.
    pub(crate) fn value(&self, algorithm: ChecksumAlgorithm) -> Option<&ChecksumValue> {
        self.values.iter().find(|value| value.algorithm() == algorithm)
    }

    /// The value that S3 keeps of a body that came whole: the client's algorithm, else CRC-64/NVME.
    pub(crate) fn kept(&self) -> Option<&ChecksumValue> {
        self.value(self.declared.unwrap_or(ChecksumAlgorithm::Crc64nvme))
    }
}

impl Verifier {
    /// For a body of which this was declared. `wanted` are the algorithms whose values are needed whatever was declared;
    /// for an object that comes whole that is CRC-64/NVME, unless the client chose another.
    pub(crate) fn new(declared: Declared, wanted: &[ChecksumAlgorithm]) -> Self {
        let mut algorithms: Vec<_> = declared.algorithm().into_iter().chain(wanted.iter().copied()).collect();
        if declared.unknown_trailer {
            // Rare: SDKs say which. All are computed, because the bytes pass only once.
            algorithms.extend(ChecksumAlgorithm::ALL);
        }
        algorithms.sort_unstable();
        algorithms.dedup();
        Self {
            declared,
            md5: Md5Hasher::default(),
            hashers: algorithms.into_iter().map(Hasher::new).collect(),
        }
    }

    /// For an object or a part that comes whole: what the client declared, else CRC-64/NVME.
    pub(crate) fn of_object(declared: Declared) -> Self {
        let default = [ChecksumAlgorithm::Crc64nvme];
        let wanted: &[_] = if declared.algorithm().is_some() { &[] } else { &default };
        Self::new(declared, wanted)
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        for hasher in &mut self.hashers {
            hasher.update(bytes);
        }
    }

    /// The digests, if the body is what the client said, in headers or in `trailers`.
    ///
    /// # Errors
    /// `BadDigest`; `InvalidRequest` for a trailer that is no value, or is missing.
    pub(crate) fn finish(self, trailers: Option<&HeaderMap>) -> Result<Digests> {
        let md5 = self.md5.finish();
        if let Some(expected) = self.declared.md5
            && expected != md5
        {
            return Err(Error::bad_digest(&STANDARD.encode(expected), &STANDARD.encode(md5)));
        }
        let values: Vec<_> = self.hashers.into_iter().map(Hasher::finish).collect();
        let expected = match self.declared.value {
            Some(value) => Some(value),
            None => trailing(trailers, self.declared.trailing)?,
        };
        if let Some(expected) = expected {
            let computed = values.iter().find(|value| value.algorithm() == expected.algorithm());
            if computed != Some(&expected) {
                return Err(mismatch(expected.algorithm()));
            }
        }
        Ok(Digests {
            md5,
            declared: expected.map(|value| value.algorithm()),
            values,
        })
    }
}

/// A body that is not what its checksum says.
pub(crate) fn mismatch(algorithm: ChecksumAlgorithm) -> Error {
    let message = format!("The {algorithm} you specified did not match the calculated checksum.");
    Error::client("BadDigest", 400, message)
}

/// The value in the trailers; of this algorithm, when the client had announced one.
fn trailing(trailers: Option<&HeaderMap>, announced: Option<ChecksumAlgorithm>) -> Result<Option<ChecksumValue>> {
    let mut found = None;
    for algorithm in ChecksumAlgorithm::ALL {
        let Some(value) = trailers.and_then(|trailers| trailers.get(algorithm.header())) else {
            continue;
        };
        let value = value.to_str().ok().map(str::trim);
        let value = value.and_then(|text| ChecksumValue::from_base64(algorithm, text));
        let value = value.ok_or_else(|| invalid_value(algorithm))?;
        if found.replace(value).is_some() || announced.is_some_and(|announced| announced != algorithm) {
            let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
            return Err(Error::invalid_request(message));
        }
    }
    if let (Some(announced), None) = (announced, &found) {
        return Err(Error::client(
            "MalformedTrailerError",
            400,
            format!(
                "The request contained trailing data that was not well-formed: {} is missing.",
                announced.header()
            ),
        ));
    }
    Ok(found)
}
