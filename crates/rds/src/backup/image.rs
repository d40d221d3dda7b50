//! A copy of a database's files, on the local disk and in the blobs.

use crate::server::Volume;
use crate::server::volume::{entries, open_folder, open_plain};
use crate::{Error, Result};
use bytes::Bytes;
use danbi_blobs::{BlobId, Blobs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;

/// The size of a piece: small enough that a change of a few pages does not store much again.
const PIECE: usize = 1 << 20;
/// Pieces that are stored, and files that are written, at once.
const AT_ONCE: usize = 16;
/// Folders within folders; a server's data has two levels.
const MAX_DEPTH: usize = 16;
/// Files of one database.
const MAX_FILES: usize = 200_000;
/// A file changed so short before it was copied may have changed in the same tick of its clock afterwards.
const CLOCK: Duration = Duration::from_secs(2);

/// A place in a database's logs, such as where they stood when an image was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The log's number.
    pub(crate) file: u64,
    /// The first byte that is not in the image.
    pub(crate) offset: u64,
}

/// What is kept of an image; the list of its files is a blob too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) manifest: BlobId,
    pub(crate) position: Position,
    /// Milliseconds since the epoch.
    pub(crate) taken: i64,
    pub(crate) bytes: u64,
    /// Under which its blobs are kept from being collected.
    pub(crate) owner: String,
}

/// All files of an image.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    folders: Vec<String>,
    files: Vec<ManifestFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ManifestFile {
    path: String,
    size: u64,
    /// `None` is a piece of zeros.
    pieces: Vec<Option<BlobId>>,
}

impl Manifest {
    pub(crate) async fn read(blobs: &Blobs, id: &BlobId) -> Result<Self> {
        Ok(serde_json::from_slice(&unpack(&blobs.get(id).await?)?)?)
    }

    /// Every blob that an image needs whose manifest is the blob `id`.
    pub(crate) fn used(&self, id: &BlobId) -> Vec<BlobId> {
        self.blobs().chain([id]).copied().collect()
    }

    /// Every blob that it needs.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &BlobId> {
        self.files.iter().flat_map(|file| file.pieces.iter().flatten())
    }
}

/// What a file looked like when it was copied.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    size: u64,
    changed: (i64, i64),
    inode: u64,
    is_settled: bool,
}

/// A copy under way.
#[derive(Debug, Default)]
pub(crate) struct Copy {
    files: BTreeMap<String, Seen>,
    folders: Vec<String>,
}

impl Copy {
    /// Copies what is new or has changed since the last call, and removes what is gone.
    pub(crate) fn refresh(&mut self, volume: &Volume, into: &Path) -> io::Result<()> {
        let mut found = Copy::default();
        std::fs::create_dir_all(into)?;
        self.folder(&mut found, &volume.open("data")?, "", into, 0)?;
        for gone in self.files.keys().filter(|path| !found.files.contains_key(*path)) {
            std::fs::remove_file(into.join(gone))?;
        }
        *self = found;
        Ok(())
    }

    fn folder(&self, found: &mut Copy, folder: &OwnedFd, below: &str, into: &Path, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other("folders lie too deep"));
        }
        for name in entries(folder)? {
            let path = format!("{below}{name}");
            if let Some(file) = open_plain(folder, &name)? {
                self.file(found, file, path, into)?;
            } else if let Some(inner) = open_folder(folder, &name)? {
                std::fs::create_dir_all(into.join(&path))?;
                found.folders.push(path.clone());
                self.folder(found, &inner, &format!("{path}/"), into, depth + 1)?;
            }
            if found.files.len() + found.folders.len() > MAX_FILES {
                return Err(io::Error::other("too many files"));
            }
        }
        Ok(())
    }

    fn file(&self, found: &mut Copy, mut file: File, path: String, into: &Path) -> io::Result<()> {
        let metadata = file.metadata()?;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let settled = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(changed.0).unwrap_or(0)) + CLOCK;
        let seen = Seen {
            size: metadata.size(),
            changed,
            inode: metadata.ino(),
            is_settled: settled < SystemTime::now(),
        };
        let is_copied = self.files.get(&path).is_some_and(|before| {
            before.is_settled && (before.size, before.changed, before.inode) == (seen.size, seen.changed, seen.inode)
        });
        if !is_copied {
            copy_file(&mut file, &into.join(&path))?;
        }
        found.files.insert(path, seen);
        Ok(())
    }

    /// Stores the copy.
    pub(crate) async fn store(self, blobs: &Blobs, from: PathBuf) -> Result<(Manifest, u64)> {
        let mut manifest = Manifest {
            folders: self.folders,
            files: Vec::new(),
        };
        // Each is synced by itself, so many at once.
        let mut storing = JoinSet::new();
        let mut stored = Vec::new();
        let mut bytes = 0;
        for path in self.files.into_keys() {
            let mut file = tokio::fs::File::open(from.join(&path)).await?.into_std().await;
            let mut pieces = Vec::new();
            let mut size = 0;
            loop {
                let read = tokio::task::spawn_blocking(move || {
                    let mut piece = Vec::new();
                    let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece);
                    read.map(|_| (file, piece))
                });
                let piece;
                (file, piece) = read.await.map_err(io::Error::other)??;
                if piece.is_empty() {
                    break;
                }
                size += piece.len() as u64;
                if piece.iter().any(|byte| *byte != 0) {
                    let (place, blobs) = ((manifest.files.len(), pieces.len()), blobs.clone());
                    storing.spawn(async move { blobs.put(pack(&piece)).await.map(|id| (place, id)) });
                }
                pieces.push(None);
                if storing.len() >= AT_ONCE
                    && let Some(done) = storing.join_next().await
                {
                    stored.push(done.map_err(io::Error::other)??);
                }
            }
            bytes += size;
            manifest.files.push(ManifestFile { path, size, pieces });
        }
        while let Some(done) = storing.join_next().await {
            stored.push(done.map_err(io::Error::other)??);
        }
        for ((file, piece), id) in stored {
            manifest.files[file].pieces[piece] = Some(id);
        }
        Ok((manifest, bytes))
    }
}

/// Copies a file; where the file system can, both share what they have.
fn copy_file(file: &mut File, path: &Path) -> io::Result<()> {
    let mut options = File::options();
    let mut copy = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    if rustix::fs::ioctl_ficlone(&copy, &*file).is_ok() {
        return Ok(());
    }
    file.seek(SeekFrom::Start(0))?;
    io::copy(file, &mut copy).map(drop)
}

/// Writes an image into the empty data folder of `volume`.
pub(crate) async fn restore(blobs: &Blobs, manifest: Manifest, volume: &Volume) -> Result<()> {
    let data = volume.writable().join("data");
    for folder in &manifest.folders {
        tokio::fs::create_dir_all(inside(&data, folder)?).await?;
    }
    let mut writing = JoinSet::new();
    for file in manifest.files {
        let (path, blobs) = (inside(&data, &file.path)?, blobs.clone());
        writing.spawn(async move { write_file(&blobs, file, &path).await });
        if writing.len() >= AT_ONCE
            && let Some(done) = writing.join_next().await
        {
            done.map_err(io::Error::other)??;
        }
    }
    while let Some(done) = writing.join_next().await {
        done.map_err(io::Error::other)??;
    }
    Ok(())
}

async fn write_file(blobs: &Blobs, file: ManifestFile, path: &Path) -> Result<()> {
    let mut written = tokio::fs::File::create(path).await?.into_std().await;
    for (at, piece) in (0_u64..).step_by(PIECE).zip(file.pieces) {
        let Some(piece) = piece else { continue };
        let bytes = unpack(&blobs.get(&piece).await?)?;
        let writing = tokio::task::spawn_blocking(move || {
            written.seek(SeekFrom::Start(at))?;
            written.write_all(&bytes).map(|()| written)
        });
        written = writing.await.map_err(io::Error::other)??;
    }
    let size = file.size;
    // Durable before anybody is told that the database is there.
    let finishing = tokio::task::spawn_blocking(move || {
        written.set_len(size)?;
        written.sync_all()
    });
    Ok(finishing.await.map_err(io::Error::other)??)
}

/// A path of a manifest below `data`, and nowhere else.
fn inside(data: &Path, path: &str) -> Result<PathBuf> {
    let is_plain = path
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != "..");
    match is_plain {
        true => Ok(data.join(path)),
        false => Err(Error::Damaged(format!("a file of an image has the path {path:?}"))),
    }
}

pub(crate) fn pack(bytes: &[u8]) -> Bytes {
    lz4_flex::compress_prepend_size(bytes).into()
}

pub(crate) fn unpack(bytes: &[u8]) -> Result<Vec<u8>> {
    lz4_flex::decompress_size_prepended(bytes).map_err(|error| Error::Damaged(error.to_string()))
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Server(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_image_comes_back_as_it_was_and_shares_what_did_not_change() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&folder.path().join("blobs")).await.unwrap();
        let volume = Volume::at(folder.path().join("db"));
        volume.make().unwrap();
        let data = volume.writable().join("data");
        std::fs::create_dir(data.join("todo")).unwrap();
        let mut large = vec![7_u8; PIECE];
        large.extend(vec![0; PIECE]);
        large.extend(b"end");
        std::fs::write(data.join("todo/large"), &large).unwrap();
        std::fs::write(data.join("gone"), "x").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", data.join("link")).unwrap();

        let staging = folder.path().join("staging");
        let mut copy = Copy::default();
        copy.refresh(&volume, &staging).unwrap();
        std::fs::remove_file(data.join("gone")).unwrap();
        std::fs::write(data.join("new"), "y").unwrap();
        copy.refresh(&volume, &staging).unwrap();
        let (manifest, bytes) = copy.store(&blobs, staging).await.unwrap();
        assert_eq!(bytes, large.len() as u64 + 1);
        assert_eq!(manifest.blobs().count(), 3, "zeros are not stored");

        let copied = Volume::at(folder.path().join("copy"));
        copied.make().unwrap();
        let text = serde_json::to_vec(&manifest).unwrap();
        restore(&blobs, serde_json::from_slice(&text).unwrap(), &copied)
            .await
            .unwrap();
        let data = copied.writable().join("data");
        assert!(std::fs::read(data.join("todo/large")).unwrap() == large);
        assert_eq!(std::fs::read(data.join("new")).unwrap(), b"y");
        assert!(!data.join("gone").exists() && !data.join("link").exists());
    }

    #[test]
    fn paths_stay_inside() {
        for hostile in ["../x", "/etc/passwd", "a//b", "a/../../b", "", "."] {
            assert!(inside(Path::new("/data"), hostile).is_err(), "{hostile}");
        }
        assert!(inside(Path::new("/data"), "todo/t.ibd").is_ok());
    }
}
