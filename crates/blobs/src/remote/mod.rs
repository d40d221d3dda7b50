//! Any S3, through `object_store`. Nothing there is ever written twice under one name and nothing is asked of the remote
//! that Garage or an old Ceph could not do.
//!
//! Each `put` makes a *copy* of its own, with a random name, below the name of its content:
//! - `ids/aa/<64 digits>/<32 digits>`: the bytes of a small blob;
//! - `ids/aa/<64 digits>/<32 digits>.<size>`: empty; the bytes are in `data/<32 digits>`, because a large blob has to be
//!   sent before its content's name is known.
//!
//! A reader takes the newest copy. A collector removes copies by their own names, so it can never take away what another
//! node puts at the same moment, and no conditional write is needed.

mod collect;
mod http;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

pub(crate) use collect::collect;
pub(crate) use read::RemoteReader;
pub(crate) use write::RemoteWriter;

use crate::{BlobError, BlobId};

/// Copies whose place is remembered, so that reading them needs no look at the list.
const REMEMBERED: usize = 16_384;

/// A remembered copy is looked up again after so long: well within any grace period, so that nobody reads a copy that a
/// newer one has made superfluous.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// A bucket, or a folder of one.
pub(crate) struct Remote {
    store: Arc<dyn ObjectStore>,
    /// What all names begin with; empty, or with a slash at its end.
    prefix: String,
    remembered: Mutex<HashMap<BlobId, (Copy, Instant)>>,
}

/// One copy of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    id: BlobId,
    /// 32 hexadecimal digits.
    name: String,
    /// Bytes.
    size: u64,
    /// Whether the bytes are in `data/`.
    apart: bool,
}

impl Remote {
    /// `url` is `s3://BUCKET` or `s3://BUCKET/PREFIX`; the rest comes from the usual environment variables of AWS.
    pub(crate) async fn open(url: &str) -> Result<Self, BlobError> {
        let unusable = |why: &str| BlobError::Address {
            url: url.to_owned(),
            why: why.to_owned(),
        };
        let rest = url
            .strip_prefix("s3://")
            .ok_or_else(|| unusable("it must be s3://BUCKET/PREFIX"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(unusable("it names no bucket; it must be s3://BUCKET/PREFIX"));
        }
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_http_connector(http::Connector)
            .with_disable_bulk_delete(true);
        let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| builder.get_config_value(key));
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        let store = builder.build().map_err(|error| unusable(&error.to_string()))?;
        let remote = Self::over(Arc::new(store), prefix);
        // A wrong key or a missing bucket shows now, and not in the first request of a user.
        remote.list(None, 1).await?;
        Ok(remote)
    }

    /// Over any object store.
    pub(crate) fn over(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        Self {
            store,
            prefix: if prefix.is_empty() {
                String::new()
            } else {
                format!("{prefix}/")
            },
            remembered: Mutex::default(),
        }
    }

    /// The newest copy of a blob.
    pub(crate) async fn find(&self, id: &BlobId) -> Result<Option<Copy>, BlobError> {
        if let Some((copy, since)) = self.remembered().get(id)
            && since.elapsed() < REMEMBERED_FOR
        {
            return Ok(Some(copy.clone()));
        }
        self.look(id).await
    }

    /// As [`Remote::find`], from the remote itself.
    async fn look(&self, id: &BlobId) -> Result<Option<Copy>, BlobError> {
        let copies = self.copies(id).await?;
        let newest = copies.into_iter().max_by_key(|(_, put)| *put).map(|(copy, _)| copy);
        match &newest {
            Some(copy) => self.remember(copy.clone()),
            None => drop(self.remembered().remove(id)),
        }
        Ok(newest)
    }

    /// All copies of a blob, and when they were put.
    async fn copies(&self, id: &BlobId) -> Result<Vec<(Copy, SystemTime)>, BlobError> {
        let folder = self.path(&format!("ids/{:.2}/{id}", id.to_string()));
        let listed: Vec<ObjectMeta> = self
            .store
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(at(&folder))?;
        Ok(listed.iter().filter_map(|object| self.copy_of(object)).collect())
    }

    pub(crate) async fn size(&self, id: &BlobId) -> Result<Option<u64>, BlobError> {
        Ok(self.look(id).await?.map(|copy| copy.size))
    }

    pub(crate) async fn delete(&self, id: &BlobId) -> Result<bool, BlobError> {
        let copies = self.copies(id).await?;
        for (copy, _) in &copies {
            self.remove(copy).await?;
        }
        Ok(!copies.is_empty())
    }

    /// Removes a copy: first what leads to it. A crash in between leaves bytes that the next collection finds.
    async fn remove(&self, copy: &Copy) -> Result<(), BlobError> {
        self.remembered().remove(&copy.id);
        self.remove_object(&self.place(copy)).await?;
        if copy.apart {
            self.remove_object(&self.bytes_of(copy)).await?;
        }
        Ok(())
    }

    async fn remove_object(&self, path: &Path) -> Result<(), BlobError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(at(path)(error)),
        }
    }

    pub(crate) async fn list(&self, after: Option<&BlobId>, limit: usize) -> Result<Vec<BlobId>, BlobError> {
        let folder = self.path("ids");
        let mut listed = match after {
            // '0' comes right after '/': behind all copies of that blob.
            Some(id) => {
                let offset = self.path(&format!("ids/{:.2}/{id}0", id.to_string()));
                self.store.list_with_offset(Some(&folder), &offset)
            }
            None => self.store.list(Some(&folder)),
        };
        let mut found: Vec<BlobId> = Vec::new();
        while let Some(object) = listed.try_next().await.map_err(at(&folder))? {
            let Some((copy, _)) = self.copy_of(&object) else {
                continue;
            };
            if found.last() == Some(&copy.id) {
                continue;
            }
            if found.len() == limit {
                break;
            }
            found.push(copy.id);
        }
        Ok(found)
    }

    /// What a listed object below `ids/` is.
    fn copy_of(&self, object: &ObjectMeta) -> Option<(Copy, SystemTime)> {
        let mut parts = object
            .location
            .as_ref()
            .strip_prefix(&self.prefix)?
            .strip_prefix("ids/")?
            .split('/');
        let (_, id, name) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        let (name, size) = match name.split_once('.') {
            Some((name, size)) => (name, Some(size.parse().ok()?)),
            None => (name, None),
        };
        let copy = Copy {
            id,
            name: name.to_owned(),
            size: size.unwrap_or(object.size),
            apart: size.is_some(),
        };
        Some((copy, object.last_modified.into()))
    }

    /// What has to be there for a copy to count.
    fn place(&self, copy: &Copy) -> Path {
        let id = copy.id.to_string();
        match copy.apart {
            true => self.path(&format!("ids/{id:.2}/{id}/{}.{}", copy.name, copy.size)),
            false => self.path(&format!("ids/{id:.2}/{id}/{}", copy.name)),
        }
    }

    /// Where the bytes of a copy are.
    fn bytes_of(&self, copy: &Copy) -> Path {
        match copy.apart {
            true => self.path(&format!("data/{}", copy.name)),
            false => self.place(copy),
        }
    }

    fn path(&self, below: &str) -> Path {
        Path::from(format!("{}{below}", self.prefix))
    }

    fn remember(&self, copy: Copy) {
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(copy.id, (copy, Instant::now()));
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<BlobId, (Copy, Instant)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Remote({}/{})", self.store, self.prefix)
    }
}

/// An error of the remote, with the object that was being touched.
fn at(path: &Path) -> impl FnOnce(object_store::Error) -> BlobError + use<> {
    let path = PathBuf::from(path.as_ref());
    move |error| BlobError::Io {
        path,
        source: std::io::Error::other(error),
    }
}
