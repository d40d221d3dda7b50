//! The end of restored copies: what is told of it, and that nobody reads them any more on a clock that goes wrong.

use crate::notifications::{Happened, emit};
use crate::records::{self, Bucket, Restored, View};
use crate::{Error, Result, S3, keys, versions};
use bytes::Bytes;
use danbi_core::RequestContext;
use danbi_store::{Direction, Transaction};

/// Copies that one transaction looks at.
const AT_ONCE: usize = 64;

/// Ends the copies whose time is over, in the name of `context`. Whoever calls it holds the lease of lifecycle work.
pub(crate) async fn expire(s3: &S3, context: &RequestContext) -> Result<()> {
    loop {
        let (more, told) = s3
            .store
            .transact(async |tx| {
                let over = keys::restored_until(s3.now().as_millis());
                let page = tx.page(over, Direction::Forward, AT_ONCE).await?;
                let mut told = false;
                for (place, value) in &page.entries {
                    told |= end(s3, &tx, context, place, &records::decode(value)?).await?;
                }
                Ok::<_, Error>((page.more, told))
            })
            .await?;
        s3.tell(told);
        if !more || s3.is_stopping() {
            return Ok(());
        }
    }
}

/// Ends one copy, unless it was given more time or its object is gone; whether there is something to tell.
async fn end(s3: &S3, tx: &Transaction, context: &RequestContext, place: &Bytes, entry: &Restored) -> Result<bool> {
    tx.delete(place)?;
    let Some(bucket) = tx.record::<Bucket>(&keys::bucket(&entry.bucket)).await? else {
        return Ok(false);
    };
    let Some(mut version) = versions::of_id(tx, &bucket, &entry.key, entry.version).await? else {
        return Ok(false);
    };
    let Some(object) = version.object.as_mut() else {
        return Ok(false);
    };
    if object.restored.is_none_or(|until| until > s3.now()) {
        return Ok(false);
    }
    object.restored = None;
    versions::rewrite(tx, &bucket, &entry.key, &version).await?;
    let happened = Happened {
        event: "s3:ObjectRestore:Delete",
        key: &entry.key,
        version: &version,
    };
    emit(s3, tx, context, &entry.bucket, &bucket, happened).await
}
