use super::conditions::{ReadConditions, Unmet};
use super::{answer, quoted, range};
use crate::content;
use crate::crypto::{CryptoError, SecretKey};
use crate::encryption::{self, CustomerHeaders};
use crate::records::{self, Content, EncryptionKind, Extent, ExtentPage, Object, Version, View};
use crate::shapes::{GetObjectOutput, GetObjectRequest, HeadObjectOutput, HeadObjectRequest};
use crate::{Dialect, Error, Result, S3, access, archive, keys, lifecycle, names, versions};
use danbi_core::{Principal, RequestContext, Timestamp};
use danbi_store::{Direction, Snapshot};
use danbi_wire::ResponseParts;
use std::ops::Range;
use std::sync::Arc;

/// Pages of extents read at a time.
const PAGES: usize = 8;

/// What GetObject and HeadObject are asked.
struct Asked<'r> {
    method: &'static str,
    bucket: &'r str,
    key: &'r str,
    version: Option<&'r str>,
    owner: Option<&'r str>,
    conditions: ReadConditions<'r>,
    customer: CustomerHeaders<'r>,
    range: Option<&'r str>,
    part: Option<i32>,
    checksum: bool,
    overrides: Overrides<'r>,
}

/// The `response-…` parameters.
struct Overrides<'r> {
    cache_control: Option<&'r str>,
    content_disposition: Option<&'r str>,
    content_encoding: Option<&'r str>,
    content_language: Option<&'r str>,
    content_type: Option<&'r str>,
    expires: Option<Timestamp>,
}

/// What was found.
struct Found {
    view: Snapshot,
    object: Object,
    /// What opens the content; a HEAD of what a key of KMS protects needs none.
    key: Option<SecretKey>,
    /// What is said of it; its length is that of `range`.
    head: HeadObjectOutput,
    range: Range<u64>,
    /// Whether the answer is a part of the object.
    partial: bool,
}

/// What a GetObject or HeadObject asks. A macro, because the inputs share members and no trait.
macro_rules! asked {
    ($input:expr, $method:literal) => {
        Asked {
            method: $method,
            bucket: &$input.bucket,
            key: &$input.key,
            version: $input.version_id.as_deref(),
            owner: $input.expected_bucket_owner.as_deref(),
            conditions: ReadConditions {
                if_match: $input.if_match.as_deref(),
                if_none_match: $input.if_none_match.as_deref(),
                if_modified_since: $input.if_modified_since,
                if_unmodified_since: $input.if_unmodified_since,
            },
            customer: encryption::customer!($input),
            range: $input.range.as_deref(),
            part: $input.part_number,
            checksum: $input.checksum_mode.as_deref() == Some("ENABLED"),
            overrides: Overrides {
                cache_control: $input.response_cache_control.as_deref(),
                content_disposition: $input.response_content_disposition.as_deref(),
                content_encoding: $input.response_content_encoding.as_deref(),
                content_language: $input.response_content_language.as_deref(),
                content_type: $input.response_content_type.as_deref(),
                expires: $input.response_expires,
            },
        }
    };
}

/// GetObject.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetObjectRequest,
) -> Result<(GetObjectOutput, ResponseParts)> {
    let found = find(&s3, &context, asked!(input, "GET")).await?;
    let object = &found.object;
    let key = found.key.ok_or(Error::Crypto(CryptoError::Key))?;
    let view = &found.view;
    // What a stranger gets, everybody gets; but for what a client's key protects.
    let by_platform = matches!(object.encryption.kind, EncryptionKind::S3 | EncryptionKind::Unasked);
    let body = if context.principal == Principal::Anonymous && by_platform {
        content::read_public(&s3, view, &object.content, &key, object.size, found.range).await?
    } else {
        content::read(&s3, view, &object.content, &key, object.size, found.range).await?
    };
    let mut output = answer::with_body(found.head);
    output.body = body.into();
    let parts = ResponseParts {
        status: found.partial.then_some(206),
        ..ResponseParts::default()
    };
    Ok((output, parts))
}

/// HeadObject.
pub(crate) async fn head(
    s3: Arc<S3>,
    context: RequestContext,
    input: HeadObjectRequest,
) -> Result<(HeadObjectOutput, ResponseParts)> {
    let found = find(&s3, &context, asked!(input, "HEAD")).await?;
    let parts = ResponseParts {
        status: found.partial.then_some(206),
        ..ResponseParts::default()
    };
    Ok((found.head, parts))
}

async fn find(s3: &S3, context: &RequestContext, asked: Asked<'_>) -> Result<Found> {
    names::check_key(asked.key)?;
    if let Some(given) = &context.facts.encryption {
        let message = "x-amz-server-side-encryption header is not supported for this operation.";
        return Err(Error::invalid_argument("x-amz-server-side-encryption", given, message));
    }
    asked.overrides.check(context)?;
    let view = s3.snapshot().await?;
    let bucket = s3.bucket(&view, context, asked.bucket, asked.owner).await?;
    let found = versions::object(&view, &bucket, asked.key, asked.version, asked.method).await;
    let (version, object) = match found {
        Ok(found) => found,
        Err(error) => return Err(access::of_missing(s3, context, asked.bucket, asked.key, error).await),
    };
    if let Some(unmet) = asked.conditions.check(&object.etag, version.modified, s3.now()) {
        return Err(refusal(unmet, &version, &object));
    }
    if asked.method == "GET" {
        archive::check_readable(&object, s3.now())?;
    }
    let by_kms = matches!(object.encryption.kind, EncryptionKind::Kms { .. });
    // Whoever may not use the key may still see that the object is there, but for its checksum.
    let key = match asked.method == "HEAD" && by_kms && !asked.checksum {
        true => None,
        false => Some(encryption::data_key(s3, context, &object.encryption, asked.customer).await?),
    };
    let mut head = answer::describe(bucket.versioning, &version, &object, s3.now());
    if asked.version.is_none() {
        let (modified, key) = (version.modified, asked.key);
        head.expiration = lifecycle::header(s3, &view, &bucket, key, modified, &object).await?;
    }
    // A range of what the client has the rest of already, or all of what took its place.
    let of_state = context.facts.if_range.as_deref();
    let header = asked
        .range
        .filter(|_| range::is_of(of_state, &object.etag, version.modified));
    let (range, partial) = match (asked.part, header) {
        (Some(_), Some(_)) => {
            let message = "Cannot specify both Range header and partNumber query parameter";
            return Err(Error::invalid_request(message));
        }
        (Some(number), None) => {
            let (range, extent) = part(&view, &object, number, s3.options.dialect).await?;
            if asked.checksum
                && let Some(checksum) = part_checksum(&object, extent.as_ref())
            {
                let shown = Object {
                    checksum: Some(checksum),
                    ..object.clone()
                };
                answer::show_checksum(&mut head, &shown);
            }
            head.parts_count = object.parts.map(|parts| parts as i32);
            (range, true)
        }
        (None, Some(header)) => match range::parse(header, object.size)? {
            Some(range) => (range, true),
            None => (0..object.size, false),
        },
        (None, None) => (0..object.size, false),
    };
    // The checksum of a whole says nothing of a part of it.
    if asked.checksum && asked.part.is_none() && range == (0..object.size) {
        answer::show_checksum(&mut head, &object);
    }
    if partial && object.size > 0 {
        head.content_range = Some(range::content_range(&range, object.size));
    }
    head.content_length = Some(range.end.saturating_sub(range.start) as i64);
    asked.overrides.apply(&mut head);
    Ok(Found {
        view,
        object,
        key,
        head,
        partial: partial && head_is_partial(&range),
        range,
    })
}

/// An empty object's only part is answered with 200: there is no range to name.
fn head_is_partial(range: &Range<u64>) -> bool {
    !range.is_empty()
}

fn refusal(unmet: Unmet, version: &Version, object: &Object) -> Error {
    let error = match unmet {
        Unmet::Failed(header) => return Error::precondition_failed(header),
        Unmet::NotModified(_) => Error::not_modified(),
    };
    let kept = &object.headers;
    let mut error = error
        .with_header("etag", quoted(&object.etag))
        .with_header("last-modified", versions::http_date(version.modified));
    if let Some(cache_control) = &kept.cache_control {
        error = error.with_header("cache-control", cache_control.as_str());
    }
    if let Some(expires) = kept.expires {
        error = error.with_header("expires", versions::http_date(expires));
    }
    error
}

impl Overrides<'_> {
    /// Whether the caller may say how the answer's headers are to be: nobody may put words into an anonymous answer.
    fn check(&self, context: &RequestContext) -> Result<()> {
        let texts = [
            ("response-cache-control", self.cache_control),
            ("response-content-disposition", self.content_disposition),
            ("response-content-encoding", self.content_encoding),
            ("response-content-language", self.content_language),
            ("response-content-type", self.content_type),
        ];
        let given = texts.iter().any(|(_, text)| text.is_some()) || self.expires.is_some();
        if given && context.principal == Principal::Anonymous {
            let message = "Request specific response headers cannot be used for anonymous GET requests.";
            return Err(Error::invalid_request(message));
        }
        for (name, text) in texts {
            if let Some(text) = text
                && text.chars().any(|c| u32::from(c) > 0xff)
            {
                let message = "Header value cannot be represented using ISO-8859-1.";
                return Err(Error::invalid_argument(name, text, message));
            }
        }
        Ok(())
    }

    fn apply(&self, head: &mut HeadObjectOutput) {
        let replace = |slot: &mut Option<String>, with: Option<&str>| {
            if let Some(with) = with {
                *slot = Some(with.to_owned());
            }
        };
        replace(&mut head.cache_control, self.cache_control);
        replace(&mut head.content_disposition, self.content_disposition);
        replace(&mut head.content_encoding, self.content_encoding);
        replace(&mut head.content_language, self.content_language);
        replace(&mut head.content_type, self.content_type);
        head.expires = self.expires.or(head.expires);
    }
}

/// The bytes of a part, and the extent that it is; an object that was put whole is its own part 1.
async fn part(
    view: &impl View,
    object: &Object,
    number: i32,
    dialect: Dialect,
) -> Result<(Range<u64>, Option<Extent>)> {
    let invalid = || {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        Error::invalid_argument("partNumber", &number.to_string(), message)
    };
    let wanted = u32::try_from(number)
        .ok()
        .filter(|number| (1..=10_000).contains(number));
    let wanted = wanted.ok_or_else(invalid)?;
    let unsatisfiable = || dialect.no_such_part(wanted, object.parts.unwrap_or(1));
    if object.parts.is_none() {
        return match wanted {
            1 => Ok((0..object.size, None)),
            _ => Err(unsatisfiable()),
        };
    }
    match &object.content {
        Content::Whole(extent) if extent.part == wanted => Ok((0..object.size, Some(extent.clone()))),
        Content::Spread(id) => {
            let mut pages = keys::below(keys::extent_pages(id));
            let mut offset = 0;
            loop {
                let page = view.page(pages.clone(), Direction::Forward, PAGES).await?;
                for (_, value) in &page.entries {
                    for extent in records::decode::<ExtentPage>(value)?.extents {
                        if extent.part == wanted {
                            return Ok((offset..offset + extent.size, Some(extent)));
                        }
                        offset += extent.size;
                    }
                }
                match page.entries.last() {
                    Some((last, _)) if page.more => pages = pages.after(last),
                    _ => return Err(unsatisfiable()),
                }
            }
        }
        Content::Empty | Content::Inline(_) if wanted == 1 => Ok((0..object.size, None)),
        _ => Err(unsatisfiable()),
    }
}

fn part_checksum(object: &Object, extent: Option<&Extent>) -> Option<records::Checksum> {
    let whole = object.checksum.as_ref()?;
    match extent {
        None => Some(whole.clone()),
        Some(extent) => Some(records::Checksum {
            value: extent.checksum.clone()?,
            ..whole.clone()
        }),
    }
}
