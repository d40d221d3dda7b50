//! PostObject: uploads by HTML forms.
//!
//! The form's fields become the headers of a PutObject; what they say is bound by the policy that its author signed.
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>.

mod form;
mod policy;

use crate::objects::put::{MAX_PUT_BYTES, put};
use crate::shapes::{PutObjectOutput, PutObjectRequest, Tagging};
use crate::{Error, Result, S3, access};
use bytes::Bytes;
use danbi_core::{Principal, RequestContext, SignatureFacts, uri};
use danbi_wire::model::{Kind, Member};
use danbi_wire::protocol::{Protocol, RoutedRequest, decode_request, decode_value};
use danbi_wire::{FormRequest, FormSignature, ResponseParts, models, value};
use form::Fields;
use http::{HeaderMap, HeaderName, HeaderValue};
use policy::{Policy, Size};
use std::sync::Arc;

/// The largest form: the largest object, and the fields before it.
pub(crate) const MAX_FORM_BYTES: u64 = MAX_PUT_BYTES + (1 << 20);

/// The fields that become a header of the same name, besides those that begin with `x-amz-`.
const HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];

/// Takes a form that was posted to a bucket.
pub(crate) async fn post(
    s3: Arc<S3>,
    mut context: RequestContext,
    form: FormRequest,
) -> Result<(Bytes, ResponseParts)> {
    let (fields, file) = form::read(&form.headers, form.body).await?;
    let key = fields.get("key").ok_or_else(|| must_contain("key"))?.to_owned();
    let mut size = Size {
        min: 0,
        max: MAX_PUT_BYTES,
    };
    if let Some((policy, signature)) = signature(&fields)? {
        let token = fields.get("x-amz-security-token");
        let principal = form.signer.verify(policy, token, signature).await?;
        size = Policy::parse(policy)?.check(&fields, &form.bucket, s3.now(), MAX_PUT_BYTES)?;
        speak_for(&mut context, principal, signature);
    }
    let mut input = input(&form.bucket, &key, &fields)?;
    for access in access::put_object(&s3, &context, &input)? {
        s3.authorizer.authorize(&context, &access).await?;
    }
    input.body = file.content(size).into();
    let stored = put(s3, context.clone(), input).await?;
    Ok(answer(&context, &form.bucket, &key, &fields, stored))
}

/// Who posts is whoever signed the policy.
fn speak_for(context: &mut RequestContext, principal: Principal, signature: FormSignature<'_>) {
    match &principal {
        Principal::Root(account) => context.scope.account = account.clone(),
        Principal::Identity { arn, .. } => {
            if let Ok(account) = arn.account.parse() {
                context.scope.account = account;
            }
        }
        Principal::Service(_) | Principal::Anonymous => {}
    }
    context.principal = principal;
    context.facts.signature = Some(SignatureFacts {
        version: match signature {
            FormSignature::V4 { .. } => "AWS4-HMAC-SHA256",
            FormSignature::V2 { .. } => "AWS",
        },
        kind: "POST",
        age_ms: 0,
        access_key_id: String::new(),
    });
}

/// The policy and its signature; `None` for a form that nobody signed.
fn signature(fields: &Fields) -> Result<Option<(&str, FormSignature<'_>)>> {
    let need = |name: &'static str, shown: &'static str| fields.get(name).ok_or_else(|| must_contain(shown));
    let is_v4 = ["x-amz-algorithm", "x-amz-credential", "x-amz-signature"]
        .iter()
        .any(|name| fields.get(name).is_some());
    let is_v2 = fields.get("awsaccesskeyid").is_some() || fields.get("signature").is_some();
    if is_v4 {
        let algorithm = need("x-amz-algorithm", "X-Amz-Algorithm")?;
        if algorithm != "AWS4-HMAC-SHA256" {
            let message = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
            return Err(Error::invalid_argument("X-Amz-Algorithm", algorithm, message));
        }
        let signature = FormSignature::V4 {
            credential: need("x-amz-credential", "X-Amz-Credential")?,
            date: need("x-amz-date", "X-Amz-Date")?,
            signature: need("x-amz-signature", "X-Amz-Signature")?,
        };
        return Ok(Some((need("policy", "Policy")?, signature)));
    }
    if is_v2 || fields.get("policy").is_some() {
        let signature = FormSignature::V2 {
            access_key_id: need("awsaccesskeyid", "AWSAccessKeyId")?,
            signature: need("signature", "Signature")?,
        };
        return Ok(Some((need("policy", "Policy")?, signature)));
    }
    Ok(None)
}

fn must_contain(field: &'static str) -> Error {
    let message = format!(
        "Bucket POST must contain a field named '{field}'.  If it is specified, please check the order of the fields."
    );
    Error::invalid_argument(field, "", message)
}

/// The PutObject that the form asks for.
fn input(bucket: &str, key: &str, fields: &Fields) -> Result<PutObjectRequest> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter() {
        let header = match name {
            "acl" => "x-amz-acl",
            // A form copies nothing, and its proof is no part of the object.
            name if name.starts_with("x-amz-copy-") || name == "x-amz-tagging" => continue,
            name if name.starts_with("x-amz-") || HEADERS.contains(&name) => name,
            _ => continue,
        };
        let name = HeaderName::from_bytes(header.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) else {
            return Err(Error::invalid_argument(
                "form",
                header,
                "The field cannot be kept with an object.",
            ));
        };
        headers.insert(name, value);
    }
    let labels = [
        ("Bucket".to_owned(), bucket.to_owned()),
        ("Key".to_owned(), key.to_owned()),
    ];
    let request = RoutedRequest {
        labels: &labels,
        query: "",
        headers: &headers,
        body: &Bytes::new(),
    };
    let model = models::S3.get();
    let operation = model
        .operation("PutObject")
        .ok_or_else(|| Error::invalid_request("PutObject"))?;
    let decoded = decode_request(model, operation, Protocol::RestXml, request);
    let decoded = decoded.map_err(|error| Error::invalid_request(error.message))?;
    let mut input: PutObjectRequest =
        value::from_value(decoded).map_err(|error| Error::invalid_request(error.to_string()))?;
    input.tagging = fields.get("tagging").map(tagging).transpose()?.flatten();
    Ok(input)
}

/// The `tagging` field is a document; an object is put with tags as a query.
fn tagging(document: &str) -> Result<Option<String>> {
    let model = models::S3.get();
    let input = model
        .operation("PutObjectTagging")
        .and_then(|operation| operation.input.as_ref());
    let structure = input.map(|member| &model.shape(member.shape).kind);
    let member: Option<&Member> = match structure {
        Some(Kind::Structure(structure)) => structure.members.iter().find(|member| member.name == "Tagging"),
        _ => None,
    };
    let member = member.ok_or_else(Error::malformed_xml)?;
    let decoded = decode_value(model, member, Protocol::RestXml, document.as_bytes());
    let tagging: Tagging = decoded
        .ok()
        .and_then(|decoded| value::from_value(decoded).ok())
        .ok_or_else(Error::malformed_xml)?;
    let tags = tagging
        .tag_set
        .iter()
        .map(|tag| format!("{}={}", encoded(&tag.key), encoded(&tag.value)));
    let tags: Vec<String> = tags.collect();
    Ok((!tags.is_empty()).then(|| tags.join("&")))
}

fn answer(
    context: &RequestContext,
    bucket: &str,
    key: &str,
    fields: &Fields,
    stored: PutObjectOutput,
) -> (Bytes, ResponseParts) {
    let etag = stored.e_tag.unwrap_or_default();
    let location = location(context, bucket, key);
    let mut parts = ResponseParts::default()
        .with_header("etag", &etag)
        .with_header("location", &location);
    if let Some(version) = &stored.version_id {
        parts = parts.with_header("x-amz-version-id", version);
    }
    let redirect = fields.get("success_action_redirect").or_else(|| fields.get("redirect"));
    if let Some(target) = redirect.filter(|target| is_url(target)) {
        let join = if target.contains('?') { '&' } else { '?' };
        let (bucket, key, etag) = (encoded(bucket), encoded(key), encoded(&etag));
        parts.status = Some(303);
        let parts = parts.with_header(
            "location",
            &format!("{target}{join}bucket={bucket}&key={key}&etag={etag}"),
        );
        return (Bytes::new(), parts);
    }
    parts.status = match fields.get("success_action_status") {
        Some("200") => Some(200),
        Some("201") => Some(201),
        _ => Some(204),
    };
    if parts.status != Some(201) {
        return (Bytes::new(), parts);
    }
    let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{}</Location><Bucket>{}</Bucket>\
         <Key>{}</Key><ETag>{}</ETag></PostResponse>",
        escape(&location),
        escape(bucket),
        escape(key),
        escape(&etag)
    );
    (document.into(), parts)
}

/// The object's address, as the form addressed its bucket.
fn location(context: &RequestContext, bucket: &str, key: &str) -> String {
    let scheme = if context.secure { "https" } else { "http" };
    let is_virtual = danbi_wire::s3::Host::parse(&context.host).is_some_and(|host| host.bucket.is_some());
    let key: Vec<String> = key.split('/').map(encoded).collect();
    let key = key.join("/");
    match is_virtual {
        true => format!("{scheme}://{}/{key}", context.host),
        false => format!("{scheme}://{}/{bucket}/{key}", context.host),
    }
}

fn is_url(text: &str) -> bool {
    text.parse::<http::Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")))
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encoded(text: &str) -> String {
    uri::encode(text, uri::RESERVED)
}
