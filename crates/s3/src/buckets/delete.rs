use crate::ids::ContentId;
use crate::records::{self, Doomed, View};
use crate::shapes::DeleteBucketRequest;
use crate::{Error, Result, S3, keys};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

/// DeleteBucket. Unfinished uploads do not keep a bucket alive; they and the configurations are removed afterwards.
pub(crate) async fn delete(s3: Arc<S3>, context: RequestContext, input: DeleteBucketRequest) -> Result<Empty> {
    let name = input.bucket.as_str();
    s3.store
        .transact(async |tx| {
            let owner = input.expected_bucket_owner.as_deref();
            let bucket = s3.bucket(&tx, &context, name, owner).await?;
            if tx.first(keys::below(keys::objects(&bucket.id, ""))).await?.is_some() {
                return Err(Error::bucket_not_empty(name, false));
            }
            if tx.first(keys::below(keys::histories(&bucket.id, ""))).await?.is_some() {
                return Err(Error::bucket_not_empty(name, true));
            }
            tx.delete(&keys::bucket(name))?;
            tx.delete(&keys::owned(&bucket.owner, name))?;
            let now = s3.now();
            let rest = records::encode(&Doomed::Bucket(bucket.id))?;
            tx.put(&keys::doomed(now.as_millis(), &ContentId::new(now)), rest)?;
            Ok(())
        })
        .await?;
    s3.doomed.notify_one();
    Ok(Empty {})
}
