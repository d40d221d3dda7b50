//! Authentication errors as S3 words them.
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.

use super::claim::Location;
use super::error::{ScopeFault, SigV4Error};
use super::stamp;
use danbi_core::{ServiceError, Timestamp};

const ALL_PARAMETERS: &str = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
     X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";

pub(super) fn answer(error: SigV4Error) -> ServiceError {
    use SigV4Error as E;
    let client = |code, status, message: &str| ServiceError::client(code, status, message);
    match error {
        E::NotSigned => client("AccessDenied", 403, "Access Denied"),
        E::Incomplete { location: Location::Query, .. } => client("AuthorizationQueryParametersError", 400, ALL_PARAMETERS),
        E::Incomplete { missing, .. } if missing == super::error::MissingPart::ALL_IN_HEADER => {
            client("InvalidArgument", 400, "Unsupported Authorization Type").with("ArgumentName", "Authorization")
        }
        E::Incomplete { missing, .. } if missing.contains(&super::error::MissingPart::Credential) => {
            malformed(Location::Header, "the authorization component \"Credential\" is missing")
        }
        E::Incomplete { missing, .. } if missing == [super::error::MissingPart::Date] => client(
            "AccessDenied",
            403,
            "AWS authentication requires a valid Date or x-amz-date header",
        ),
        E::Incomplete { .. } | E::NotKeyValue { .. } => {
            client("AuthorizationHeaderMalformed", 400, "The authorization header that you provided is not valid.")
        }
        E::BadCredential { location, .. } => malformed(
            location,
            "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        ),
        E::BadDate { .. } => {
            client("AccessDenied", 403, "AWS authentication requires a valid Date or x-amz-date header")
        }
        E::BadExpires(words) => client("AuthorizationQueryParametersError", 400, words),
        E::SeveralMechanisms => client(
            "InvalidArgument",
            400,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter \
             or the Authorization header should be specified",
        )
        .with("ArgumentName", "Authorization"),
        E::UnsupportedMechanism | E::UnsupportedAlgorithm { .. } => client(
            "InvalidRequest",
            400,
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
        ),
        E::Asymmetric => client(
            "InvalidRequest",
            400,
            "Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not supported by this endpoint. Please use AWS4-HMAC-SHA256.",
        ),
        E::Scope { location, faults } => scope(location, &faults),
        E::UnknownKey { with_token: true, .. } => {
            client("InvalidToken", 400, "The provided token is malformed or otherwise invalid.")
        }
        E::UnknownKey { access_key_id, .. } => {
            client("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records.")
                .with("AWSAccessKeyId", access_key_id)
        }
        E::ExpiredToken => client("ExpiredToken", 400, "The provided token has expired."),
        E::HostNotSigned => not_signed("host"),
        E::HeadersNotSigned(names) => not_signed(&names.join(", ")),
        E::Expired { signed_at, now, window_secs } | E::NotYetCurrent { signed_at, now, window_secs } => {
            skewed(signed_at, now, window_secs)
        }
        E::PresignedExpired { signed_at, expires_secs, now } => {
            let expires = signed_at.plus_millis(i64::from(expires_secs) * 1000);
            client("AccessDenied", 403, "Request has expired")
                .with("X-Amz-Expires", expires_secs.to_string())
                .with("Expires", stamp::format_extended(expires))
                .with("ServerTime", stamp::format_extended(now))
        }
        E::Mismatch { access_key_id, signature, canonical_request, string_to_sign } => mismatch()
            .with("AWSAccessKeyId", access_key_id)
            .with("SignatureProvided", signature)
            .with("StringToSign", string_to_sign)
            .with("CanonicalRequest", canonical_request),
        E::ChunkMismatch => mismatch(),
        E::ContentSha256Missing => {
            client("InvalidRequest", 400, "Missing required header for this request: x-amz-content-sha256")
        }
        E::ContentSha256Invalid => client(
            "InvalidArgument",
            400,
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
             STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        ),
        E::PayloadMismatch { declared, computed } => client(
            "XAmzContentSHA256Mismatch",
            400,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
        .with("ClientComputedContentSHA256", declared)
        .with("S3ComputedContentSHA256", computed),
        E::DecodedLengthMissing => client(
            "MissingContentLength",
            411,
            "You must provide the Content-Length HTTP header.",
        ),
        E::ChunkTooSmall { chunk, size } => client(
            "InvalidChunkSizeError",
            403,
            "Only the last chunk is allowed to have a size less than 8192 bytes",
        )
        .with("Chunk", chunk.to_string())
        .with("BadChunkSize", size.to_string()),
        E::LengthMismatch { .. } | E::Truncated => client(
            "IncompleteBody",
            400,
            "You did not provide the number of bytes specified by the Content-Length HTTP header",
        ),
        E::MalformedChunk(_) => client("IncompleteBody", 400, "The request body terminated unexpectedly"),
        E::MalformedTrailer(_) => client(
            "MalformedTrailerError",
            400,
            "The request contained trailing data that was not well-formed or did not conform to our published schema.",
        ),
        E::Lookup(error) => error,
    }
}

fn mismatch() -> ServiceError {
    ServiceError::client(
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    )
}

fn not_signed(names: &str) -> ServiceError {
    ServiceError::client(
        "AccessDenied",
        403,
        "There were headers present in the request which were not signed",
    )
    .with("HeadersNotSigned", names)
}

fn skewed(signed_at: Timestamp, now: Timestamp, window_secs: u32) -> ServiceError {
    ServiceError::client(
        "RequestTimeTooSkewed",
        403,
        "The difference between the request time and the current time is too large.",
    )
    .with("RequestTime", stamp::format(signed_at))
    .with("ServerTime", stamp::format_extended(now))
    .with(
        "MaxAllowedSkewMilliseconds",
        (u64::from(window_secs) * 1000).to_string(),
    )
}

fn malformed(location: Location, what: &str) -> ServiceError {
    match location {
        Location::Header => ServiceError::client(
            "AuthorizationHeaderMalformed",
            400,
            format!("The authorization header is malformed; {what}"),
        ),
        Location::Query => ServiceError::client(
            "AuthorizationQueryParametersError",
            400,
            format!("Error parsing the X-Amz-Credential parameter; {what}"),
        ),
    }
}

fn scope(location: Location, faults: &[ScopeFault]) -> ServiceError {
    match faults.first() {
        Some(ScopeFault::Region {
            got,
            expected: Some(expected),
        }) => malformed(
            location,
            &format!("the region '{got}' is wrong; expecting '{expected}'"),
        )
        .with("Region", expected.as_str()),
        Some(ScopeFault::Region { got, expected: None }) => {
            malformed(location, &format!("the region '{got}' is wrong"))
        }
        Some(ScopeFault::Service { got, expected }) => malformed(
            location,
            &format!("incorrect service \"{got}\". This endpoint belongs to \"{expected}\"."),
        ),
        Some(ScopeFault::Terminator { got }) => malformed(
            location,
            &format!("incorrect terminal \"{got}\". This endpoint uses \"aws4_request\"."),
        ),
        Some(ScopeFault::Date { got, signed_at }) => malformed(
            location,
            &format!(
                "Invalid credential date \"{got}\". This date is not the same as X-Amz-Date: \"{}\".",
                stamp::format_day(*signed_at)
            ),
        ),
        None => malformed(location, "the Credential is mal-formed."),
    }
}
