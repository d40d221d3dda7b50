//! Tests of the service over a real store and real blobs, operation by operation as the wire calls them.

mod archive;
mod content;
mod listing;
mod objects;
mod public;
mod versions;

use crate::shapes::*;
use crate::{Error, Options, Parts, S3, buckets, objects as api};
use async_trait::async_trait;
use bytes::Bytes;
use danbi_blobs::Blobs;
use danbi_core::{
    Access, AccountId, AccountProfile, Accounts, Authorizer, PolicyLanguage, Principal, RequestContext, RequestFacts,
    RequestId, Scope, ServiceError, SystemClock, full_body, read_body,
};
use danbi_store::{EmbeddedOptions, Store};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Lets everyone do everything, but nobody delete what begins with `kept`.
struct Gatekeeper;

#[async_trait]
impl Authorizer for Gatekeeper {
    async fn authorize(&self, _: &RequestContext, access: &Access) -> Result<(), ServiceError> {
        if access.action == "s3:DeleteObject" && access.resource.contains("/kept") {
            return Err(ServiceError::client("AccessDenied", 403, "Access Denied"));
        }
        Ok(())
    }
}

/// Knows nobody by name.
struct Strangers;

impl Accounts for Strangers {
    fn profile(&self, account: &AccountId) -> AccountProfile {
        AccountProfile {
            account: account.clone(),
            canonical_id: account.to_string(),
            display_name: None,
            email: None,
        }
    }
    fn by_canonical_id(&self, _: &str) -> Option<AccountProfile> {
        None
    }
    fn by_email(&self, _: &str) -> Option<AccountProfile> {
        None
    }
}

impl PolicyLanguage for Strangers {
    fn check_resource_policy(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn lets_caller(&self, _: &str, _: &RequestContext, _: &Access) -> bool {
        true
    }

    fn judge(&self, _: &str, _: &str, _: &str, _: &[(&str, String)]) -> Result<danbi_core::Verdict, String> {
        Ok(danbi_core::Verdict::Silent)
    }
}

/// A service over a folder of its own, which can be stopped and started again.
pub(crate) struct Stage {
    dir: tempfile::TempDir,
    pub s3: Arc<S3>,
}

pub(crate) const BUCKET: &str = "stage";

impl Stage {
    /// With an empty bucket.
    pub(crate) async fn open() -> Self {
        Self::open_with(Options::default()).await
    }

    /// The same, with these bounds.
    pub(crate) async fn open_with(options: Options) -> Self {
        let stage = Self::open_in(tempfile::tempdir().unwrap(), options).await;
        stage.make_bucket(BUCKET).await.unwrap();
        stage
    }

    async fn open_in(dir: tempfile::TempDir, options: Options) -> Self {
        let s3 = S3::start(Parts {
            store: Store::open_embedded(&dir.path().join("store"), EmbeddedOptions::default()).unwrap(),
            blobs: Blobs::open(&dir.path().join("blobs")).await.unwrap(),
            clock: Arc::new(SystemClock),
            authorizer: Arc::new(Gatekeeper),
            accounts: Arc::new(Strangers),
            language: Arc::new(Strangers),
            master_key: dir.path().join("s3.key"),
            data_keys: None,
            options,
        });
        Self {
            s3: s3.await.unwrap(),
            dir,
        }
    }

    /// Stops without waiting for anything, as a crash would, and starts again on the same folder.
    pub(crate) async fn crash(self) -> Self {
        self.s3.drain(Duration::ZERO).await;
        self.s3.store.close().await;
        let dir = self.dir;
        let options = self.s3.options.clone();
        drop(self.s3);
        Self::open_in(dir, options).await
    }

    pub(crate) async fn make_bucket(&self, name: &str) -> Result<CreateBucketOutput, Error> {
        let input = CreateBucketRequest {
            bucket: name.into(),
            ..CreateBucketRequest::default()
        };
        buckets::create::create(self.s3.clone(), context(), input).await
    }

    pub(crate) async fn versioning(&self, status: &str) {
        let input = PutBucketVersioningRequest {
            bucket: BUCKET.into(),
            versioning_configuration: VersioningConfiguration {
                status: Some(status.into()),
                ..VersioningConfiguration::default()
            },
            ..PutBucketVersioningRequest::default()
        };
        buckets::versioning::put(self.s3.clone(), context(), input)
            .await
            .unwrap();
    }

    pub(crate) async fn put(&self, key: &str, content: impl Into<Bytes>) -> Result<PutObjectOutput, Error> {
        self.put_with(key, content, PutObjectRequest::default()).await
    }

    pub(crate) async fn put_with(
        &self,
        key: &str,
        content: impl Into<Bytes>,
        request: PutObjectRequest,
    ) -> Result<PutObjectOutput, Error> {
        let content = content.into();
        let input = PutObjectRequest {
            bucket: BUCKET.into(),
            key: key.into(),
            content_length: Some(content.len() as i64),
            body: full_body(content).into(),
            ..request
        };
        api::put::put(self.s3.clone(), context(), input).await
    }

    /// Status, answer and content.
    pub(crate) async fn get_with(
        &self,
        key: &str,
        request: GetObjectRequest,
    ) -> Result<(u16, GetObjectOutput, Bytes), Error> {
        let input = GetObjectRequest {
            bucket: BUCKET.into(),
            key: key.into(),
            ..request
        };
        let (mut output, parts) = api::get::get(self.s3.clone(), context(), input).await?;
        let body = read_body(output.body.take(), 64 << 20).await;
        let body = body.map_err(|error| Error::Damaged(error.to_string()))?;
        Ok((parts.status.unwrap_or(200), output, body))
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Bytes, Error> {
        Ok(self.get_with(key, GetObjectRequest::default()).await?.2)
    }

    pub(crate) async fn get_version(&self, key: &str, version: &str) -> Result<Bytes, Error> {
        let request = GetObjectRequest {
            version_id: Some(version.into()),
            ..GetObjectRequest::default()
        };
        Ok(self.get_with(key, request).await?.2)
    }

    pub(crate) async fn delete(&self, key: &str, version: Option<&str>) -> Result<DeleteObjectOutput, Error> {
        let input = DeleteObjectRequest {
            bucket: BUCKET.into(),
            key: key.into(),
            version_id: version.map(Into::into),
            ..DeleteObjectRequest::default()
        };
        api::delete::delete(self.s3.clone(), context(), input).await
    }

    /// The files that hold blobs.
    pub(crate) fn blob_files(&self) -> Vec<PathBuf> {
        fn walk(dir: PathBuf, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                match entry.path() {
                    path if path.is_dir() => walk(path, found),
                    path => found.push(path),
                }
            }
        }
        let mut found = Vec::new();
        walk(self.dir.path().join("blobs"), &mut found);
        found
    }

    /// Collects blobs as the platform does, without waiting for them to be old.
    pub(crate) async fn collect(&self) {
        let s3 = &self.s3;
        let used = |id| async move { s3.uses_blob(&id).await };
        self.s3.blobs.collect(Duration::ZERO, used).await.unwrap();
    }
}

/// The root of the default account, on a local platform.
pub(crate) fn context() -> RequestContext {
    RequestContext {
        request_id: RequestId::new(),
        scope: Scope::default(),
        principal: Principal::Root(Scope::default().account),
        source_ip: [127, 0, 0, 1].into(),
        secure: false,
        host: "127.0.0.1:4566".into(),
        user_agent: String::new(),
        facts: RequestFacts::default(),
    }
}

/// The code of a refusal.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().code().unwrap_or("a fault of the platform")
}

/// Content of this size that no two places of look alike.
pub(crate) fn content(size: usize) -> Bytes {
    (0..size).map(|at| (at * 31 + at / 251) as u8).collect()
}
