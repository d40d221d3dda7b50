//! What can be wrong with a signature, and how each protocol words it.

use super::claim::Location;
use super::stamp;
use danbi_core::{ServiceError, Timestamp};

/// A part that a claim lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingPart {
    /// `X-Amz-Algorithm`.
    Algorithm,
    /// `Credential`.
    Credential,
    /// `Signature`.
    Signature,
    /// `SignedHeaders`.
    SignedHeaders,
    /// `X-Amz-Date` or `Date`.
    Date,
}

impl MissingPart {
    pub(super) const ALL_IN_HEADER: [Self; 4] = [Self::Credential, Self::Signature, Self::SignedHeaders, Self::Date];

    const fn parameter(self) -> &'static str {
        match self {
            Self::Algorithm => "X-Amz-Algorithm",
            Self::Credential => "X-Amz-Credential",
            Self::Signature => "X-Amz-Signature",
            Self::SignedHeaders => "X-Amz-SignedHeaders",
            Self::Date => "X-Amz-Date",
        }
    }
}

/// A part of the credential scope that does not fit the request or the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeFault {
    /// Not a region, or not the service's.
    Region {
        /// What the client wrote.
        got: String,
        /// The only right one, if there is one.
        expected: Option<String>,
    },
    /// Another service's signing name.
    Service {
        /// What the client wrote.
        got: String,
        /// The right one.
        expected: String,
    },
    /// Not `aws4_request`.
    Terminator {
        /// What the client wrote.
        got: String,
    },
    /// Not the day of the request's time stamp.
    Date {
        /// The day in the scope.
        got: String,
        /// The request's time stamp.
        signed_at: Timestamp,
    },
}

/// How the protocol of the addressed service words authentication errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// awsJson 1.0 and 1.1, rpcv2Cbor: codes end in `Exception`, status 400.
    Json,
    /// restJson1, function URLs: codes end in `Exception`, status 403.
    RestJson,
    /// awsQuery, ec2Query and restXml other than S3: `InvalidClientTokenId`, `SignatureDoesNotMatch`, status 403.
    Query,
    /// S3.
    S3,
}

/// Why a request's signature is not accepted. `Display` is for logs; [`SigV4Error::into_service_error`] is for clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the fields are named by what they hold, and every variant is described"
)]
pub enum SigV4Error {
    /// No signature where one is needed; for the caller that does not serve anonymous requests.
    #[error("the request is not signed")]
    NotSigned,
    /// The claim lacks parts. `authorization` is the header's hash, never its text.
    #[error("the signature lacks {missing:?}")]
    Incomplete {
        location: Location,
        missing: Vec<MissingPart>,
        authorization: String,
    },
    /// A piece of the `Authorization` header without `=`; hashed.
    #[error("a part of the Authorization header is not a key=value pair")]
    NotKeyValue { part: String },
    /// The credential does not have five parts.
    #[error("malformed credential {got:?}")]
    BadCredential { location: Location, got: String },
    /// The time stamp is not in the basic format.
    #[error("malformed date {got:?}")]
    BadDate { got: String },
    /// `X-Amz-Expires` is malformed or past seven days.
    #[error("{0}")]
    BadExpires(&'static str),
    /// A header and a query signature at once.
    #[error("both an Authorization header and a presigned query")]
    SeveralMechanisms,
    /// Signature Version 2.
    #[error("not Signature Version 4")]
    UnsupportedMechanism,
    /// Another value in `X-Amz-Algorithm`.
    #[error("unsupported algorithm {got:?}")]
    UnsupportedAlgorithm { got: String },
    /// SigV4A (ECDSA P-256), which is not built.
    #[error("SigV4A is not supported")]
    Asymmetric,
    /// The scope does not fit.
    #[error("credential scope: {faults:?}")]
    Scope {
        location: Location,
        faults: Vec<ScopeFault>,
    },
    /// Nobody has this access key id, or not with this session token.
    #[error("unknown access key id {access_key_id:?}")]
    UnknownKey { access_key_id: String, with_token: bool },
    /// The temporary credentials have ended.
    #[error("the session token has expired")]
    ExpiredToken,
    /// `host` is not among the signed headers.
    #[error("the host header is not signed")]
    HostNotSigned,
    /// `x-amz-` headers that are present and not signed.
    #[error("not signed: {0:?}")]
    HeadersNotSigned(Vec<String>),
    /// Signed too long ago.
    #[error("signed at {signed_at:?}, more than {window_secs} s before {now:?}")]
    Expired {
        signed_at: Timestamp,
        now: Timestamp,
        window_secs: u32,
    },
    /// Signed in the future.
    #[error("signed at {signed_at:?}, more than {window_secs} s after {now:?}")]
    NotYetCurrent {
        signed_at: Timestamp,
        now: Timestamp,
        window_secs: u32,
    },
    /// A presigned URL used past its time.
    #[error("presigned at {signed_at:?} for {expires_secs} s, used at {now:?}")]
    PresignedExpired {
        signed_at: Timestamp,
        expires_secs: u32,
        now: Timestamp,
    },
    /// The signature is another one. Holds the request's own canonical form, no secret.
    #[error("the signature does not match")]
    Mismatch {
        access_key_id: String,
        signature: String,
        canonical_request: String,
        string_to_sign: String,
    },
    /// S3 without `x-amz-content-sha256`.
    #[error("x-amz-content-sha256 is missing")]
    ContentSha256Missing,
    /// `x-amz-content-sha256` is neither a hash nor a known word.
    #[error("x-amz-content-sha256 is malformed")]
    ContentSha256Invalid,
    /// The body is not what its declared hash says.
    #[error("the body's SHA-256 is {computed}, declared {declared}")]
    PayloadMismatch { declared: String, computed: String },
    /// `aws-chunked` without `x-amz-decoded-content-length`, or a malformed one.
    #[error("x-amz-decoded-content-length is missing or malformed")]
    DecodedLengthMissing,
    /// The `aws-chunked` framing is broken.
    #[error("malformed aws-chunked body: {0}")]
    MalformedChunk(&'static str),
    /// A chunk under 8 KiB that is not the last.
    #[error("chunk {chunk} has {size} bytes, under 8192, and is not the last")]
    ChunkTooSmall { chunk: u64, size: u64 },
    /// The signature of a chunk or of the trailers is another one.
    #[error("the signature of a chunk does not match")]
    ChunkMismatch,
    /// The body is shorter or longer than declared.
    #[error("the decoded body has {got} bytes, declared {declared}")]
    LengthMismatch { declared: u64, got: u64 },
    /// The body broke off inside the framing.
    #[error("the aws-chunked body is incomplete")]
    Truncated,
    /// Trailers are malformed or not the announced ones.
    #[error("malformed trailer: {0}")]
    MalformedTrailer(&'static str),
    /// The credential could not be looked up.
    #[error(transparent)]
    Lookup(#[from] ServiceError),
}

impl SigV4Error {
    /// AWS's answer, in the words of the addressed service's protocol.
    pub fn into_service_error(self, dialect: Dialect) -> ServiceError {
        if let Self::Lookup(error) = self {
            return error;
        }
        match dialect {
            Dialect::S3 => super::s3_words::answer(self),
            Dialect::Json => self.plain(
                400,
                [
                    "MissingAuthenticationTokenException",
                    "IncompleteSignatureException",
                    "UnrecognizedClientException",
                    "ExpiredTokenException",
                    "InvalidSignatureException",
                ],
            ),
            Dialect::RestJson => self.plain(
                403,
                [
                    "MissingAuthenticationTokenException",
                    "IncompleteSignatureException",
                    "UnrecognizedClientException",
                    "ExpiredTokenException",
                    "InvalidSignatureException",
                ],
            ),
            Dialect::Query => self.plain(
                403,
                [
                    "MissingAuthenticationToken",
                    "IncompleteSignature",
                    "InvalidClientTokenId",
                    "ExpiredToken",
                    "SignatureDoesNotMatch",
                ],
            ),
        }
    }

    /// The answer of every service but S3; `codes` are: none, incomplete, unknown, expired, wrong.
    fn plain(self, status: u16, codes: [&'static str; 5]) -> ServiceError {
        let [none, incomplete, unknown, expired, wrong] = codes;
        let missing_token = if none == "MissingAuthenticationToken" || status == 400 {
            "Request is missing Authentication Token"
        } else {
            "Missing Authentication Token"
        };
        let (code, message) = match &self {
            Self::NotSigned => (none, missing_token.into()),
            Self::UnknownKey { .. } => (unknown, "The security token included in the request is invalid.".into()),
            Self::ExpiredToken => (expired, "The security token included in the request is expired".into()),
            Self::Scope { faults, .. } => (wrong, faults.iter().map(scope_words).collect()),
            Self::HostNotSigned => (
                wrong,
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".into(),
            ),
            Self::HeadersNotSigned(names) => (wrong, not_signed_words(names)),
            Self::Expired {
                signed_at,
                now,
                window_secs,
            } => (wrong, expired_words(*signed_at, *now, *window_secs)),
            Self::PresignedExpired {
                signed_at,
                expires_secs,
                now,
            } => (wrong, expired_words(*signed_at, *now, *expires_secs)),
            Self::NotYetCurrent {
                signed_at,
                now,
                window_secs,
            } => (wrong, early_words(*signed_at, *now, *window_secs)),
            Self::Mismatch {
                canonical_request,
                string_to_sign,
                ..
            } => (
                wrong,
                format!(
                    "The request signature we calculated does not match the signature you provided. Check your AWS \
                     Secret Access Key and signing method. Consult the service documentation for details.\n\n\
                     The Canonical String for this request should have been\n'{canonical_request}'\n\n\
                     The String-to-Sign should have been\n'{string_to_sign}'\n"
                ),
            ),
            Self::PayloadMismatch { .. } | Self::ChunkMismatch => (
                wrong,
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details."
                    .into(),
            ),
            _ => (incomplete, self.incomplete_words()),
        };
        ServiceError::client(code, status, message)
    }

    /// The message of everything that is malformed rather than wrong.
    fn incomplete_words(&self) -> String {
        match self {
            Self::Incomplete {
                location: Location::Header,
                missing,
                authorization,
            } => {
                let mut text = String::new();
                for part in missing {
                    text.push_str(match part {
                        MissingPart::Credential => "Authorization header requires 'Credential' parameter. ",
                        MissingPart::Signature => "Authorization header requires 'Signature' parameter. ",
                        MissingPart::SignedHeaders => "Authorization header requires 'SignedHeaders' parameter. ",
                        MissingPart::Algorithm => "Authorization header requires an algorithm. ",
                        MissingPart::Date => {
                            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
                        }
                    });
                }
                format!("{text}(Hashed with SHA-256 and encoded with Base64) Authorization={authorization}")
            }
            Self::Incomplete {
                location: Location::Query,
                missing,
                ..
            } => {
                let words =
                    |part: &MissingPart| format!("AWS query-string parameters must include '{}'. ", part.parameter());
                missing.iter().map(words).collect::<String>() + "Re-examine the query-string parameters."
            }
            Self::NotKeyValue { part } => format!(
                "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded \
                 with Base64): '{part}'."
            ),
            Self::BadCredential { got, .. } => format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{got}'"
            ),
            Self::BadDate { got } => format!(
                "Date must be in ISO-8601 'basic format'. Got '{got}'. See http://en.wikipedia.org/wiki/ISO_8601"
            ),
            Self::UnsupportedAlgorithm { got } => format!("Unsupported AWS 'algorithm': '{got}'"),
            Self::UnsupportedMechanism => {
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.".into()
            }
            Self::SeveralMechanisms => {
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the Authorization header \
                 should be specified."
                    .into()
            }
            Self::Asymmetric => {
                "Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not supported by this endpoint. Sign with \
                 AWS4-HMAC-SHA256."
                    .into()
            }
            other => other.to_string(),
        }
    }
}

fn scope_words(fault: &ScopeFault) -> String {
    match fault {
        ScopeFault::Region { .. } => "Credential should be scoped to a valid region. ".into(),
        ScopeFault::Service { expected, .. } => {
            format!("Credential should be scoped to correct service: '{expected}'. ")
        }
        ScopeFault::Terminator { got } => {
            format!("Credential should be scoped with a valid terminator: 'aws4_request', not '{got}'. ")
        }
        ScopeFault::Date { got, signed_at } => format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{got}' != \
             '{}', from '{}'.",
            stamp::format_day(*signed_at),
            stamp::format(*signed_at)
        ),
    }
}

fn not_signed_words(names: &[String]) -> String {
    let words: Vec<String> = names
        .iter()
        .map(|name| format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))
        .collect();
    words.join(" ")
}

fn expired_words(signed_at: Timestamp, now: Timestamp, window_secs: u32) -> String {
    let earliest = now.plus_millis(-i64::from(window_secs) * 1000);
    format!(
        "Signature expired: {} is now earlier than {} ({} - {}.)",
        stamp::format(signed_at),
        stamp::format(earliest),
        stamp::format(now),
        span(window_secs)
    )
}

fn early_words(signed_at: Timestamp, now: Timestamp, window_secs: u32) -> String {
    let latest = now.plus_millis(i64::from(window_secs) * 1000);
    format!(
        "Signature not yet current: {} is still later than {} ({} + {}.)",
        stamp::format(signed_at),
        stamp::format(latest),
        stamp::format(now),
        span(window_secs)
    )
}

fn span(secs: u32) -> String {
    if secs.is_multiple_of(60) {
        format!("{} min", secs / 60)
    } else {
        format!("{secs} sec")
    }
}
