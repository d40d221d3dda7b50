//! What a request says about its own signature, before anything of it is believed.

use super::canonical::RequestView;
use super::error::{MissingPart, SigV4Error};
use super::{ALGORITHM, MAX_PRESIGNED_SECS, sha256, stamp};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use danbi_core::{Timestamp, hex};

/// Where a signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the `Authorization` header.
    Header,
    /// In the query: a presigned URL.
    Query,
}

/// `date/region/service/terminator`, as the client wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialScope {
    /// `YYYYMMDD`.
    pub date: String,
    /// Such as `us-east-1`.
    pub region: String,
    /// The signing name, such as `lambda`: good for routing, before it is believed.
    pub service: String,
    /// `aws4_request`.
    pub terminator: String,
}

impl CredentialScope {
    pub(super) fn text(&self) -> String {
        format!("{}/{}/{}/{}", self.date, self.region, self.service, self.terminator)
    }
}

/// A well-formed, not yet verified statement of who signed a request, when and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Header or query.
    pub location: Location,
    /// The access key id.
    pub access_key_id: String,
    /// The credential scope.
    pub scope: CredentialScope,
    /// Names of the signed headers: lower-case, sorted, no repetition.
    pub signed_headers: Vec<String>,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// For presigned URLs, how many seconds it is good for: at most [`MAX_PRESIGNED_SECS`].
    pub expires_secs: Option<u32>,
    /// The session token that came along.
    pub session_token: Option<String>,
    /// The signature as it was given, not necessarily hexadecimal.
    pub(super) signature: String,
}

impl Claim {
    /// Reads the claim of a request; `None` when it bears no signature at all.
    ///
    /// # Errors
    /// [`SigV4Error::Incomplete`] for a claim that lacks a part or is malformed, [`SigV4Error::Asymmetric`] for SigV4A,
    /// [`SigV4Error::UnsupportedMechanism`] for another kind of `Authorization`, and [`SigV4Error::SeveralMechanisms`].
    pub fn parse(view: &RequestView<'_>) -> Result<Option<Self>, SigV4Error> {
        // An empty header says as much as none.
        let authorization = view
            .headers
            .get(http::header::AUTHORIZATION)
            .filter(|value| !value.is_empty());
        let presigned = view.occurrences("X-Amz-Algorithm") > 0 || view.occurrences("X-Amz-Signature") > 0;
        match (authorization, presigned) {
            (None, false) => Ok(None),
            (Some(_), true) => Err(SigV4Error::SeveralMechanisms),
            (Some(value), false) => {
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                Self::from_header(view, text.trim()).map(Some)
            }
            (None, true) => Self::from_query(view).map(Some),
        }
    }

    fn from_header(view: &RequestView<'_>, authorization: &str) -> Result<Self, SigV4Error> {
        let (algorithm, rest) = authorization
            .split_once(char::is_whitespace)
            .unwrap_or((authorization, ""));
        match algorithm {
            ALGORITHM => {}
            "AWS4-ECDSA-P256-SHA256" => return Err(SigV4Error::Asymmetric),
            "AWS" => return Err(SigV4Error::UnsupportedMechanism),
            _ => return Err(missing_header_parts(MissingPart::ALL_IN_HEADER.to_vec(), authorization)),
        }
        let (mut credential, mut headers, mut signature) = (None, None, None);
        // AWS takes white space between the parts as well as commas.
        let parts = rest.split(|c: char| c == ',' || c.is_whitespace());
        for part in parts.filter(|part| !part.is_empty()) {
            let Some((key, value)) = part.split_once('=') else {
                return Err(SigV4Error::NotKeyValue { part: hashed(part) });
            };
            match key.trim() {
                "Credential" => credential = Some(value.trim()),
                "SignedHeaders" => headers = Some(value.trim()),
                "Signature" => signature = Some(value.trim()),
                _ => {}
            }
        }
        let date = view.header("x-amz-date").or_else(|| view.header("date"));
        let mut missing = Vec::new();
        for (present, part) in [
            (credential.is_some_and(|c| !c.is_empty()), MissingPart::Credential),
            (signature.is_some_and(|s| !s.is_empty()), MissingPart::Signature),
            (headers.is_some(), MissingPart::SignedHeaders),
            (date.is_some(), MissingPart::Date),
        ] {
            if !present {
                missing.push(part);
            }
        }
        let (Some(credential), Some(headers), Some(signature), Some(date), true) =
            (credential, headers, signature, date, missing.is_empty())
        else {
            return Err(missing_header_parts(missing, authorization));
        };
        let signed_at = view
            .header("x-amz-date")
            .map_or_else(|| stamp::parse_http(date), stamp::parse)
            .ok_or_else(|| SigV4Error::BadDate { got: cut(date) })?;
        let (access_key_id, scope) = parse_credential(credential, Location::Header)?;
        Ok(Self {
            location: Location::Header,
            access_key_id,
            scope,
            signed_headers: parse_signed_headers(headers),
            signed_at,
            expires_secs: None,
            session_token: view.header("x-amz-security-token").map(str::to_owned),
            signature: signature.into(),
        })
    }

    fn from_query(view: &RequestView<'_>) -> Result<Self, SigV4Error> {
        if view.parameter("X-Amz-Algorithm").as_deref() == Some("AWS4-ECDSA-P256-SHA256") {
            return Err(SigV4Error::Asymmetric);
        }
        let mut missing = Vec::new();
        let mut take = |name: &str, part: MissingPart| {
            let value = view
                .parameter(name)
                .filter(|value| !value.is_empty() && view.occurrences(name) == 1);
            if value.is_none() {
                missing.push(part);
            }
            value.unwrap_or_default()
        };
        let algorithm = take("X-Amz-Algorithm", MissingPart::Algorithm);
        let credential = take("X-Amz-Credential", MissingPart::Credential);
        let signature = take("X-Amz-Signature", MissingPart::Signature);
        let headers = take("X-Amz-SignedHeaders", MissingPart::SignedHeaders);
        let date = take("X-Amz-Date", MissingPart::Date);
        if !missing.is_empty() {
            return Err(SigV4Error::Incomplete {
                location: Location::Query,
                missing,
                authorization: String::new(),
            });
        }
        if algorithm != ALGORITHM {
            return Err(SigV4Error::UnsupportedAlgorithm { got: cut(&algorithm) });
        }
        let signed_at = stamp::parse(&date).ok_or_else(|| SigV4Error::BadDate { got: cut(&date) })?;
        let expires_secs = match view.parameter("X-Amz-Expires") {
            None => None,
            Some(text) => Some(parse_expires(&text)?),
        };
        let (access_key_id, scope) = parse_credential(&credential, Location::Query)?;
        Ok(Self {
            location: Location::Query,
            access_key_id,
            scope,
            signed_headers: parse_signed_headers(&headers),
            signed_at,
            expires_secs,
            session_token: view.parameter("X-Amz-Security-Token"),
            signature,
        })
    }

    /// The signature's 32 bytes; `None` when it is not 64 hexadecimal digits, which no right signature is.
    pub(super) fn signature_bytes(&self) -> Option<[u8; 32]> {
        hex::decode_array(&self.signature)
    }
}

pub(super) fn parse_credential(text: &str, location: Location) -> Result<(String, CredentialScope), SigV4Error> {
    let parts: Vec<&str> = text.split('/').collect();
    let [access_key_id, date, region, service, terminator] = parts[..] else {
        return Err(SigV4Error::BadCredential {
            location,
            got: cut(text),
        });
    };
    if access_key_id.is_empty() {
        return Err(SigV4Error::BadCredential {
            location,
            got: cut(text),
        });
    }
    let scope = CredentialScope {
        date: date.into(),
        region: region.into(),
        service: service.into(),
        terminator: terminator.into(),
    };
    Ok((access_key_id.into(), scope))
}

fn parse_signed_headers(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .split(';')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn parse_expires(text: &str) -> Result<u32, SigV4Error> {
    match text.parse::<i64>() {
        Err(_) => Err(SigV4Error::BadExpires("X-Amz-Expires should be a number")),
        Ok(n) if n < 0 => Err(SigV4Error::BadExpires("X-Amz-Expires must be non-negative")),
        Ok(n) => u32::try_from(n).ok().filter(|n| *n <= MAX_PRESIGNED_SECS).ok_or(SigV4Error::BadExpires(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 \
             seconds",
        )),
    }
}

fn missing_header_parts(missing: Vec<MissingPart>, authorization: &str) -> SigV4Error {
    SigV4Error::Incomplete {
        location: Location::Header,
        missing,
        authorization: hashed(authorization),
    }
}

/// What AWS shows in place of a text that may hold secrets: its SHA-256 in base64.
fn hashed(text: &str) -> String {
    BASE64_STANDARD.encode(sha256(text.as_bytes()))
}

/// At most 256 characters of something a stranger sent, for an error message.
fn cut(text: &str) -> String {
    text.chars().take(256).collect()
}
