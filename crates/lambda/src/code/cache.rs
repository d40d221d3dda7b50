//! The unpacked copies that functions run from: `code/<sha256>` for each archive and `layers/<sha256 of the list>` for
//! each combination of layers.
//!
//! Everything here can be rebuilt from the blobs, and is whenever it is missing: the folder may be deleted at any time
//! that no function runs. A copy appears whole or not at all (it is made beside and renamed).

use super::archive;
use crate::Error;
use crate::records::{Code, LayerUse};
use bytes::Bytes;
use danbi_blobs::{BlobId, Blobs};
use danbi_core::hex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Archives unpacked at once: more would only fight for the same disk.
const UNPACKING_AT_ONCE: usize = 4;

/// The cache of unpacked code.
pub(crate) struct CodeCache {
    code: PathBuf,
    layers: PathBuf,
    incoming: PathBuf,
    blobs: Blobs,
    unpacking: Semaphore,
    grace: Duration,
    /// Since when each unreferenced entry is known to be so.
    unreferenced: Mutex<HashMap<PathBuf, Instant>>,
}

impl CodeCache {
    /// Opens the cache in `dir`, made when it is missing. `grace`: how long a copy that nobody refers to any more is kept,
    /// for environments that still run from it. Blocks.
    ///
    /// Files are not fsynced one by one, so after the machine itself went down (another boot id) the copies may have
    /// holes: then the cache starts empty.
    pub(crate) fn open(dir: &Path, blobs: Blobs, grace: Duration) -> Result<Self, Error> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let (code, layers, incoming) = (dir.join("code"), dir.join("layers"), dir.join("incoming"));
        let same_boot = fs::read_to_string(dir.join("boot-id")).is_ok_and(|known| known == boot && !boot.is_empty());
        remove(&incoming)?;
        if !same_boot {
            remove(&code)?;
            remove(&layers)?;
        }
        for folder in [dir, &code, &layers, &incoming] {
            fs::create_dir_all(folder)?;
            // Functions run under another uid and have to reach what is mounted for them.
            fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        }
        fs::write(dir.join("boot-id"), boot)?;
        let unpacking = Semaphore::new(UNPACKING_AT_ONCE);
        Ok(Self {
            code,
            layers,
            incoming,
            blobs,
            unpacking,
            grace,
            unreferenced: Mutex::default(),
        })
    }

    /// Checks and unpacks a new archive, then keeps its bytes as a blob. On an error nothing of it is kept.
    pub(crate) async fn store(&self, bytes: Bytes) -> Result<Code, Error> {
        let size = bytes.len() as u64;
        let hashed = bytes.clone();
        let digest = blocking(move || Ok(hex::encode(Sha256::digest(&hashed)))).await?;
        let folder = self.code.join(&digest);
        let unpacked = if exists(&folder).await {
            blocking(move || Ok(tree_bytes(&folder)?)).await?
        } else {
            self.unpack(bytes.clone(), folder).await?
        };
        self.blobs.put(bytes).await?;
        Ok(Code { digest, size, unpacked })
    }

    /// The folder that `code` is unpacked in, rebuilt when it is missing.
    pub(crate) async fn folder(&self, code: &Code) -> Result<PathBuf, Error> {
        let folder = self.code.join(&code.digest);
        if !exists(&folder).await {
            let bytes = self.blobs.get(&blob_id(&code.digest)?).await?;
            self.unpack(bytes, folder.clone()).await?;
        }
        Ok(folder)
    }

    /// The folder with all layers merged, later ones over earlier ones; `None` when there are none.
    pub(crate) async fn merged(&self, layers: &[LayerUse]) -> Result<Option<PathBuf>, Error> {
        let Some(name) = merged_name(layers) else {
            return Ok(None);
        };
        let folder = self.layers.join(name);
        if !exists(&folder).await {
            let mut sources = Vec::with_capacity(layers.len());
            for layer in layers {
                sources.push(self.folder(&layer.code).await?);
            }
            let (incoming, target) = (self.incoming.clone(), folder.clone());
            blocking(move || {
                let fresh = Incoming::new(&incoming)?;
                for source in &sources {
                    merge(source, &fresh.path)?;
                }
                Ok(fresh.move_to(&target)?)
            })
            .await?;
        }
        Ok(Some(folder))
    }

    /// Removes copies whose name is not in `used` and has not been for the time of grace.
    pub(crate) async fn collect(&self, used: impl Fn(&str) -> bool + Send + 'static) -> Result<(), Error> {
        let (code, layers) = (self.code.clone(), self.layers.clone());
        let idle: Vec<PathBuf> = blocking(move || {
            let mut idle = Vec::new();
            for folder in [code, layers] {
                for entry in fs::read_dir(folder)? {
                    let entry = entry?;
                    if !entry.file_name().to_str().is_some_and(&used) {
                        idle.push(entry.path());
                    }
                }
            }
            Ok(idle)
        })
        .await?;
        let gone: Vec<PathBuf> = {
            let mut since = self.unreferenced.lock().unwrap_or_else(PoisonError::into_inner);
            since.retain(|path, _| idle.contains(path));
            let gone = idle
                .into_iter()
                .filter(|path| since.entry(path.clone()).or_insert_with(Instant::now).elapsed() > self.grace);
            gone.collect()
        };
        let incoming = self.incoming.clone();
        blocking(move || {
            for path in gone {
                // Renamed first, so that nobody takes a half removed copy for a whole one.
                let away = incoming.join(uuid::Uuid::new_v4().to_string());
                fs::rename(&path, &away)?;
                remove(&away)?;
            }
            Ok(())
        })
        .await
    }

    async fn unpack(&self, bytes: Bytes, target: PathBuf) -> Result<u64, Error> {
        let _turn = self.unpacking.acquire().await.map_err(Error::internal)?;
        let incoming = self.incoming.clone();
        blocking(move || {
            let fresh = Incoming::new(&incoming)?;
            let unpacked = archive::unpack(bytes, &fresh.path)?;
            fresh.move_to(&target)?;
            Ok(unpacked)
        })
        .await
    }
}

/// The name of the folder that these layers are merged in.
pub(crate) fn merged_name(layers: &[LayerUse]) -> Option<String> {
    if layers.is_empty() {
        return None;
    }
    let mut list = Sha256::new();
    for layer in layers {
        list.update(&layer.code.digest);
        list.update([b'\n']);
    }
    Some(hex::encode(list.finalize()))
}

pub(crate) fn blob_id(digest: &str) -> Result<BlobId, Error> {
    digest.parse().map_err(Error::internal)
}

/// A folder that is being filled; removed unless it was moved to its place.
struct Incoming {
    path: PathBuf,
    moved: bool,
}

impl Incoming {
    fn new(parent: &Path) -> io::Result<Self> {
        let path = parent.join(uuid::Uuid::new_v4().to_string());
        // The parent is made again in case somebody emptied the cache while it was in use.
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(Self { path, moved: false })
    }

    fn move_to(mut self, target: &Path) -> io::Result<()> {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::rename(&self.path, target) {
            Ok(()) => self.moved = true,
            // Somebody else was quicker with the same content.
            Err(_) if target.is_dir() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.moved
            && let Err(error) = remove(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "could not remove a half unpacked archive");
        }
    }
}

/// Lays `source` over `target`: folders are shared, files linked, and what was there before gives way.
fn merge(source: &Path, target: &Path) -> io::Result<()> {
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        let kind = entry.file_type()?;
        let there = fs::symlink_metadata(&to).ok();
        if kind.is_dir() {
            if !there.as_ref().is_some_and(fs::Metadata::is_dir) {
                if there.is_some() {
                    fs::remove_file(&to)?;
                }
                fs::create_dir(&to)?;
                fs::set_permissions(&to, Permissions::from_mode(0o755))?;
            }
            merge(&from, &to)?;
            continue;
        }
        match there {
            Some(there) if there.is_dir() => fs::remove_dir_all(&to)?,
            Some(_) => fs::remove_file(&to)?,
            None => {}
        }
        if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else if fs::hard_link(&from, &to).is_err() {
            // Too many links to one file, or a file system without them.
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

fn tree_bytes(folder: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            total += tree_bytes(&entry.path())?;
        } else if kind.is_file() {
            total += entry.metadata()?.len();
        }
    }
    Ok(total)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// One `stat`, which a warm cache answers from memory: cheaper than a hop to another thread.
async fn exists(folder: &Path) -> bool {
    folder.is_dir()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::zip;
    use super::*;

    const GRACE: Duration = Duration::from_secs(3600);

    async fn cache() -> (tempfile::TempDir, CodeCache) {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&dir.path().join("blobs")).await.unwrap();
        let cache = CodeCache::open(&dir.path().join("cache"), blobs, GRACE).unwrap();
        (dir, cache)
    }

    fn use_of(arn: &str, code: Code) -> LayerUse {
        LayerUse { arn: arn.into(), code }
    }

    #[tokio::test]
    async fn a_copy_that_was_deleted_comes_back_from_the_blob() {
        let (_dir, cache) = cache().await;
        let code = cache.store(zip(&[("a/b.py", 0o644, b"print()")])).await.unwrap();
        assert_eq!(code.unpacked, 7);
        let folder = cache.folder(&code).await.unwrap();
        remove(&folder).unwrap();
        assert_eq!(
            fs::read(cache.folder(&code).await.unwrap().join("a/b.py")).unwrap(),
            b"print()"
        );
        assert_eq!(cache.store(zip(&[("a/b.py", 0o644, b"print()")])).await.unwrap(), code);
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_refused_archive() {
        let (dir, cache) = cache().await;
        assert!(
            cache
                .store(zip(&[("ok", 0o644, b"x"), ("../evil", 0o644, b"x")]))
                .await
                .is_err()
        );
        for folder in ["cache/code", "cache/incoming"] {
            assert_eq!(fs::read_dir(dir.path().join(folder)).unwrap().count(), 0, "{folder}");
        }
    }

    #[tokio::test]
    async fn later_layers_lie_over_earlier_ones() {
        let (_dir, cache) = cache().await;
        let one = cache
            .store(zip(&[
                ("bin/x", 0o755, b"one"),
                ("only/one", 0o644, b"1"),
                ("kind", 0o644, b"file"),
            ]))
            .await
            .unwrap();
        let two = cache
            .store(zip(&[("bin/x", 0o644, b"two"), ("kind/now", 0o644, b"folder")]))
            .await
            .unwrap();
        let layers = [use_of("1", one), use_of("2", two)];
        let folder = cache.merged(&layers).await.unwrap().unwrap();
        assert_eq!(fs::read(folder.join("bin/x")).unwrap(), b"two");
        assert_eq!(fs::read(folder.join("only/one")).unwrap(), b"1");
        assert_eq!(fs::read(folder.join("kind/now")).unwrap(), b"folder");
        // The layer itself is as it was.
        let first = cache.folder(&layers[0].code).await.unwrap();
        assert_eq!(fs::read(first.join("bin/x")).unwrap(), b"one");
        assert_eq!(cache.merged(&[]).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_used_is_kept_and_the_rest_has_a_time_of_grace() {
        let (_dir, cache) = cache().await;
        let code = cache.store(zip(&[("a", 0o644, b"x")])).await.unwrap();
        cache.collect(|_| false).await.unwrap();
        assert!(cache.code.join(&code.digest).is_dir());
        let long_ago = Instant::now().checked_sub(GRACE + Duration::from_secs(1)).unwrap();
        let set_back = || {
            cache
                .unreferenced
                .lock()
                .unwrap()
                .values_mut()
                .for_each(|since| *since = long_ago);
        };
        set_back();
        let digest = code.digest.clone();
        cache.collect(move |name| name == digest).await.unwrap();
        assert!(cache.code.join(&code.digest).is_dir());
        cache.collect(|_| false).await.unwrap();
        set_back();
        cache.collect(|_| false).await.unwrap();
        assert!(!cache.code.join(&code.digest).exists());
    }
}
