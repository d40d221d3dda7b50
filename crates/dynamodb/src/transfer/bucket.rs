//! S3 as a transfer sees it.

use super::{Caller, Failure};
use crate::{DynamoDb, Error};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use danbi_core::{ApiCall, Fault, ServiceError};
use serde_json::{Value, json};

/// An object that is read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Object {
    pub key: String,
    pub etag: String,
    pub size: u64,
}

/// Why S3 did not do it.
pub(super) enum Trouble {
    /// It never will: the transfer has failed.
    Lasting(Failure),
    /// It may another time.
    Passing(Error),
}

impl From<ServiceError> for Trouble {
    fn from(error: ServiceError) -> Self {
        if error.fault == Fault::Client || error.status == 501 {
            return Self::Lasting(Failure {
                code: format!("S3{}", error.code),
                message: error.message.to_string(),
            });
        }
        Self::Passing(error.into())
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Passing(error)
    }
}

fn text(output: &Value, member: &str) -> String {
    output[member].as_str().unwrap_or_default().trim_matches('"').to_owned()
}

impl DynamoDb {
    async fn ask_s3(
        &self,
        caller: &Caller,
        operation: &str,
        mut input: Value,
        owner: Option<&str>,
    ) -> Result<Value, Trouble> {
        if let Some(owner) = owner {
            input["ExpectedBucketOwner"] = owner.into();
        }
        let context = caller.context()?;
        let call = ApiCall::new("s3", operation, input);
        Ok(self.s3()?.call(&context, call).await?)
    }

    /// Stores an object; its entity tag.
    pub(super) async fn put_object(
        &self,
        caller: &Caller,
        owner: Option<&str>,
        [bucket, key]: [&str; 2],
        encryption: Option<[Option<&str>; 2]>,
        body: &[u8],
    ) -> Result<String, Trouble> {
        let mut input =
            json!({"Bucket": bucket, "Key": key, "Body": STANDARD.encode(body), "ContentLength": body.len()});
        if let Some([algorithm, kms_key]) = encryption {
            match algorithm {
                Some("KMS") => input["ServerSideEncryption"] = "aws:kms".into(),
                Some(algorithm) => input["ServerSideEncryption"] = algorithm.into(),
                None => {}
            }
            if let Some(key) = kms_key {
                input["SSEKMSKeyId"] = key.into();
            }
        }
        let output = self.ask_s3(caller, "PutObject", input, owner).await?;
        Ok(text(&output, "ETag"))
    }

    /// The first object with the prefix behind `after`.
    pub(super) async fn next_object(
        &self,
        caller: &Caller,
        owner: Option<&str>,
        [bucket, prefix]: [&str; 2],
        after: Option<&str>,
    ) -> Result<Option<Object>, Trouble> {
        let mut input = json!({"Bucket": bucket, "Prefix": prefix, "MaxKeys": 1});
        if let Some(after) = after {
            input["StartAfter"] = after.into();
        }
        let output = self.ask_s3(caller, "ListObjectsV2", input, owner).await?;
        let Some(found) = output["Contents"].as_array().and_then(|found| found.first()) else {
            return Ok(None);
        };
        Ok(Some(Object {
            key: text(found, "Key"),
            etag: text(found, "ETag"),
            size: found["Size"].as_u64().unwrap_or(0),
        }))
    }

    /// Some bytes of an object, which must still be the one that was listed.
    pub(super) async fn object_piece(
        &self,
        caller: &Caller,
        owner: Option<&str>,
        bucket: &str,
        object: &Object,
        range: std::ops::Range<u64>,
    ) -> Result<Bytes, Trouble> {
        let input = json!({
            "Bucket": bucket,
            "Key": object.key,
            "IfMatch": format!("\"{}\"", object.etag),
            "Range": format!("bytes={}-{}", range.start, range.end.saturating_sub(1)),
        });
        let output = self.ask_s3(caller, "GetObject", input, owner).await?;
        let body = STANDARD.decode(output["Body"].as_str().unwrap_or_default());
        Ok(body.map_err(Error::internal)?.into())
    }
}
