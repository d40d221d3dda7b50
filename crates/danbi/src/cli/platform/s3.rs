//! S3, as far as the verbs need it. Bodies are parts of bounded size: a large object is never whole in memory.

use super::client::{Call, Reply, encode};
use super::xml::Element;
use super::{Failure, Platform};
use bytes::Bytes;
use danbi_core::{Clock, SystemClock};
use danbi_wire::sigv4::{RequestView, Signer};
use http::{HeaderMap, HeaderValue, Method};
use serde::Serialize;
use std::ops::Range;

/// An object as a listing has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectEntry {
    /// The key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// As ISO 8601.
    pub last_modified: String,
}

/// One page of a listing.
#[derive(Debug, Clone, Default)]
pub struct ObjectPage {
    /// The objects.
    pub objects: Vec<ObjectEntry>,
    /// The common prefixes, when a delimiter was given.
    pub folders: Vec<String>,
    /// For the next page.
    pub next: Option<String>,
}

/// What `HEAD` says of an object.
#[derive(Debug, Clone)]
pub struct ObjectHead {
    /// Bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
}

impl Platform {
    /// The names of the buckets, and when they were made.
    pub async fn buckets(&self) -> Result<Vec<(String, String)>, Failure> {
        let reply = self.s3("cannot list the buckets", Method::GET, "/".into()).await?;
        let document = document("cannot list the buckets", &reply)?;
        let buckets = document.all("Buckets").flat_map(|buckets| buckets.all("Bucket"));
        Ok(buckets
            .map(|bucket| {
                (
                    bucket.text_of("Name").to_owned(),
                    bucket.text_of("CreationDate").to_owned(),
                )
            })
            .collect())
    }

    /// Makes a bucket in the verb's region.
    pub async fn create_bucket(&self, bucket: &str) -> Result<(), Failure> {
        let mut call = s3_call(Method::PUT, path(bucket, "", &[]));
        if self.region != "us-east-1" {
            call.body = format!(
                "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
                self.region
            )
            .into();
        }
        self.call(&format!("cannot make the bucket {bucket}"), call)
            .await
            .map(drop)
    }

    /// One page of at most 1,000 objects; with `delimiter` grouped by what stands before it.
    pub async fn objects_page(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: &str,
        token: Option<&str>,
    ) -> Result<ObjectPage, Failure> {
        let what = format!("cannot list {bucket}/{prefix}");
        let mut query = vec![("list-type", "2"), ("prefix", prefix)];
        if !delimiter.is_empty() {
            query.push(("delimiter", delimiter));
        }
        query.extend(token.map(|token| ("continuation-token", token)));
        let reply = self.s3(&what, Method::GET, path(bucket, "", &query)).await?;
        let document = document(&what, &reply)?;
        let entry = |object: &Element| ObjectEntry {
            key: object.text_of("Key").to_owned(),
            size: object.text_of("Size").parse().unwrap_or_default(),
            etag: object.text_of("ETag").trim_matches('"').to_owned(),
            last_modified: object.text_of("LastModified").to_owned(),
        };
        let next = document.text_of("NextContinuationToken");
        Ok(ObjectPage {
            objects: document.all("Contents").map(entry).collect(),
            folders: document
                .all("CommonPrefixes")
                .map(|folder| folder.text_of("Prefix").to_owned())
                .collect(),
            next: (!next.is_empty()).then(|| next.to_owned()),
        })
    }

    /// An object's size and ETag, or `None` when there is no such object. Without a key, whether the bucket is there.
    pub async fn head_object(&self, bucket: &str, key: &str) -> Result<Option<ObjectHead>, Failure> {
        let what = format!("cannot look at {bucket}/{key}");
        let reply = match self.s3(&what, Method::HEAD, path(bucket, key, &[])).await {
            Err(failure) if failure.is("NotFound") => return Ok(None),
            reply => reply?,
        };
        Ok(Some(ObjectHead {
            size: reply
                .header("content-length")
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
            etag: etag(&reply),
        }))
    }

    /// The bytes `range` of the object whose ETag this is; another one in the meantime is `PreconditionFailed`.
    pub async fn get_part(&self, bucket: &str, key: &str, etag: &str, range: Range<u64>) -> Result<Bytes, Failure> {
        let what = format!("cannot get {bucket}/{key}");
        let mut call = s3_call(Method::GET, path(bucket, key, &[]));
        call.headers.push(("if-match", format!("\"{etag}\"")));
        let expected = range.end - range.start;
        if expected > 0 {
            call.headers
                .push(("range", format!("bytes={}-{}", range.start, range.end - 1)));
        }
        let reply = self.call(&what, call).await?;
        if reply.body.len() as u64 != expected {
            return Err(Failure::new(
                what,
                format!("{} bytes came instead of {expected}", reply.body.len()),
            ));
        }
        Ok(reply.body)
    }

    /// Stores a whole object; its ETag.
    pub async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        content_type: Option<&str>,
    ) -> Result<String, Failure> {
        let mut call = s3_call(Method::PUT, path(bucket, key, &[]));
        call.headers.extend(typed(content_type));
        call.body = body;
        let reply = self.call(&format!("cannot put {bucket}/{key}"), call).await?;
        Ok(etag(&reply))
    }

    /// Begins a multipart upload; its id.
    pub async fn begin_upload(&self, bucket: &str, key: &str, content_type: Option<&str>) -> Result<String, Failure> {
        let what = format!("cannot begin the upload of {bucket}/{key}");
        let mut call = s3_call(Method::POST, path(bucket, key, &[("uploads", "")]));
        call.headers.extend(typed(content_type));
        let reply = self.call(&what, call).await?;
        Ok(document(&what, &reply)?.text_of("UploadId").to_owned())
    }

    /// Sends one part; its ETag.
    pub async fn put_part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: usize,
        body: Bytes,
    ) -> Result<String, Failure> {
        let number = number.to_string();
        let mut call = s3_call(
            Method::PUT,
            path(bucket, key, &[("partNumber", &number), ("uploadId", upload)]),
        );
        call.body = body;
        let reply = self
            .call(&format!("cannot send part {number} of {bucket}/{key}"), call)
            .await?;
        Ok(etag(&reply))
    }

    /// Makes the object of its parts, whose ETags are given in order; the object's ETag.
    pub async fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        etags: &[String],
    ) -> Result<String, Failure> {
        let what = format!("cannot complete {bucket}/{key}");
        let mut body = String::from("<CompleteMultipartUpload>");
        for (index, etag) in etags.iter().enumerate() {
            body += &format!(
                "<Part><PartNumber>{}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>",
                index + 1
            );
        }
        body += "</CompleteMultipartUpload>";
        let mut call = s3_call(Method::POST, path(bucket, key, &[("uploadId", upload)]));
        call.body = body.into();
        let reply = self.call(&what, call).await?;
        let answer = document(&what, &reply)?;
        // S3 may answer 200 and find out afterwards that it failed.
        if answer.name == "Error" {
            let why = format!("{}: {}", answer.text_of("Code"), answer.text_of("Message"));
            return Err(Failure::new(what, why));
        }
        Ok(answer.text_of("ETag").trim_matches('"').to_owned())
    }

    /// Gives a multipart upload up.
    pub async fn abort_upload(&self, bucket: &str, key: &str, upload: &str) -> Result<(), Failure> {
        let target = path(bucket, key, &[("uploadId", upload)]);
        self.s3("cannot abort the upload", Method::DELETE, target)
            .await
            .map(drop)
    }

    /// Removes an object; it may be gone already.
    pub async fn delete_object(&self, bucket: &str, key: &str) -> Result<(), Failure> {
        let what = format!("cannot remove {bucket}/{key}");
        self.s3(&what, Method::DELETE, path(bucket, key, &[])).await.map(drop)
    }

    /// Removes an empty bucket.
    pub async fn delete_bucket(&self, bucket: &str) -> Result<(), Failure> {
        let what = format!("cannot remove the bucket {bucket}");
        self.s3(&what, Method::DELETE, path(bucket, "", &[])).await.map(drop)
    }

    /// The bucket's policy, when it has one.
    pub async fn bucket_policy(&self, bucket: &str) -> Result<Option<serde_json::Value>, Failure> {
        let what = format!("cannot read the policy of {bucket}");
        match self.s3(&what, Method::GET, path(bucket, "", &[("policy", "")])).await {
            Err(failure) if failure.is("NoSuchBucketPolicy") => Ok(None),
            Err(failure) => Err(failure),
            Ok(reply) => serde_json::from_slice(&reply.body)
                .map(Some)
                .map_err(|error| Failure::new(what, error)),
        }
    }

    /// Sets the bucket's policy, or removes it.
    pub async fn set_bucket_policy(&self, bucket: &str, policy: Option<&serde_json::Value>) -> Result<(), Failure> {
        let method = if policy.is_some() { Method::PUT } else { Method::DELETE };
        let mut call = s3_call(method, path(bucket, "", &[("policy", "")]));
        call.body = policy.map(|policy| policy.to_string().into()).unwrap_or_default();
        self.call(&format!("cannot change the policy of {bucket}"), call)
            .await
            .map(drop)
    }

    /// Lets the bucket have public policies; ACLs stay blocked.
    pub async fn allow_public_policy(&self, bucket: &str) -> Result<(), Failure> {
        let mut call = s3_call(Method::PUT, path(bucket, "", &[("publicAccessBlock", "")]));
        call.body = Bytes::from_static(
            b"<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
              <BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets>\
              </PublicAccessBlockConfiguration>",
        );
        self.call(&format!("cannot open {bucket} to public policies"), call)
            .await
            .map(drop)
    }

    /// A URL that stands for a request with this verb's credentials for `seconds`.
    pub fn presigned(&self, method: &Method, bucket: &str, key: &str, seconds: u32) -> String {
        let signer = Signer {
            access_key_id: &self.credentials.access_key_id,
            secret: &self.credentials.secret,
            session_token: self.credentials.session_token.as_deref(),
            region: &self.region,
            service: "s3",
            at: SystemClock.now(),
        };
        let authority = self.endpoint.authority().map(ToString::to_string).unwrap_or_default();
        let mut headers = HeaderMap::new();
        headers.extend(HeaderValue::from_str(&authority).map(|host| (http::header::HOST, host)));
        let path = path(bucket, key, &[]);
        let view = RequestView {
            method: method.as_str(),
            path: &path,
            query: "",
            headers: &headers,
            authority: None,
        };
        let query = signer.presign(&view, seconds, None);
        format!("{}?{query}", self.object_url(bucket, key))
    }

    /// The object's URL by path.
    pub fn object_url(&self, bucket: &str, key: &str) -> String {
        let scheme = self.endpoint.scheme_str().unwrap_or("http");
        let authority = self.endpoint.authority().map(ToString::to_string).unwrap_or_default();
        format!("{scheme}://{authority}{}", path(bucket, key, &[]))
    }

    async fn s3(&self, what: &str, method: Method, path: String) -> Result<Reply, Failure> {
        self.call(what, s3_call(method, path)).await
    }
}

fn s3_call<'a>(method: Method, path: String) -> Call<'a> {
    let mut call = Call::new("s3", method, path, &serde_json::Value::Null);
    call.time_out = super::client::INVOKE_TIME_OUT;
    call
}

fn typed(content_type: Option<&str>) -> Option<(&'static str, String)> {
    Some((
        "content-type",
        content_type.unwrap_or("application/octet-stream").to_owned(),
    ))
}

/// `/bucket/key?query`, percent-encoded.
fn path(bucket: &str, key: &str, query: &[(&str, &str)]) -> String {
    let mut path = format!("/{}", encode(bucket));
    if !key.is_empty() {
        let segments: Vec<String> = key.split('/').map(encode).collect();
        path = format!("{path}/{}", segments.join("/"));
    }
    for (index, (name, value)) in query.iter().enumerate() {
        path += if index == 0 { "?" } else { "&" };
        path += &format!("{name}={}", encode(value));
    }
    path
}

fn etag(reply: &Reply) -> String {
    reply.header("etag").unwrap_or_default().trim_matches('"').to_owned()
}

fn document(what: &str, reply: &Reply) -> Result<Element, Failure> {
    Element::parse(&reply.body).ok_or_else(|| {
        Failure::new(what, "the answer is no XML")
            .next("check that client and platform are of one version: `danbi doctor`")
    })
}
