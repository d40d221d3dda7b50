//! Objects for services that are given a place instead of content.

use crate::encryption::{self, CustomerHeaders};
use crate::{Error, Result, S3, archive, content, names, versions};
use async_trait::async_trait;
use bytes::Bytes;
use danbi_core::{Access, ObjectLocation, ObjectSource, RequestContext, ServiceError};

#[async_trait]
impl ObjectSource for S3 {
    async fn object(
        &self,
        context: &RequestContext,
        location: &ObjectLocation,
        max_bytes: u64,
    ) -> Result<Bytes, ServiceError> {
        let ObjectLocation { bucket, key, version } = location;
        let resource = names::object_arn(bucket, key);
        let access = match version {
            None => Access::new("s3:GetObject", resource),
            Some(version) => Access::new("s3:GetObjectVersion", resource).with("s3:VersionId", version.as_str()),
        };
        self.authorizer.authorize(context, &access).await?;
        names::check_key(key)?;
        let view = self.snapshot().await?;
        let bucket = self.bucket(&view, context, bucket, None).await?;
        let (_, object) = versions::object(&view, &bucket, key, version.as_deref(), "GET").await?;
        archive::check_readable(&object, self.now())?;
        if object.size > max_bytes {
            return Err(Error::entity_too_large(object.size, max_bytes).into());
        }
        let data_key = encryption::data_key(self, context, &object.encryption, CustomerHeaders::default()).await?;
        Ok(content::read_whole(self, &view, &object.content, &data_key, object.size).await?)
    }
}
