//! The local disk: `aa/bb/<64 digits>` for blobs, `tmp/` for what is being written.

mod collect;
mod write;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::SystemTime;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::task::JoinError;

use crate::{BlobError, BlobId, CHUNK_BYTES, MAX_WHOLE_BYTES};
pub(crate) use collect::collect;
pub(crate) use write::DiskWriter;

/// Written bytes after which the disk is put to work while more comes in.
const FLUSH_BYTES: u64 = 32 << 20;

#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    temporary: PathBuf,
    /// Held while a blob is put in place or taken away, so that a collector never removes what was just put again.
    /// Never held across an await: everything here runs on blocking threads.
    places: Mutex<()>,
    /// Folders whose names are known to be on disk.
    folders: Mutex<HashSet<PathBuf>>,
}

/// A blob that is being written; dropped without [`Draft::finish`] it vanishes.
pub(crate) struct Draft {
    disk: Arc<Disk>,
    path: PathBuf,
    file: File,
    hash: Sha256,
    /// Bytes written since the last early flush began.
    unflushed: u64,
    /// The outcome of an early flush. It must be looked at: the system reports a failed write only once.
    flushing: Option<mpsc::Receiver<io::Result<()>>>,
}

/// Runs file work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    joined(tokio::task::spawn_blocking(work).await)
}

fn joined<T>(outcome: Result<Result<T, BlobError>, JoinError>) -> Result<T, BlobError> {
    match outcome {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(error) => Err(BlobError::Io {
                path: PathBuf::new(),
                source: io::Error::other(error),
            }),
        },
    }
}

pub(crate) fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, BlobError> {
    result.map_err(|source| BlobError::Io {
        path: path.to_path_buf(),
        source,
    })
}

impl Disk {
    pub(crate) fn open(root: &Path) -> Result<Self, BlobError> {
        let temporary = root.join("tmp");
        if temporary.exists() {
            at(&temporary, fs::remove_dir_all(&temporary))?;
        }
        at(&temporary, fs::create_dir_all(&temporary))?;
        at(root, sync_dir(root))?;
        if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            at(parent, sync_dir(parent))?;
        }
        Ok(Self {
            root: root.to_path_buf(),
            temporary,
            places: Mutex::default(),
            folders: Mutex::default(),
        })
    }

    pub(crate) fn begin(self: &Arc<Self>) -> Result<Draft, BlobError> {
        let path = self.temporary.join(uuid::Uuid::new_v4().simple().to_string());
        let file = at(&path, File::create_new(&path))?;
        Ok(Draft {
            disk: Arc::clone(self),
            path,
            file,
            hash: Sha256::new(),
            unflushed: 0,
            flushing: None,
        })
    }

    pub(crate) fn open_file(&self, id: &BlobId) -> Result<(File, PathBuf, u64), BlobError> {
        let path = self.path(id);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BlobError::NotFound(*id)),
            opened => at(&path, opened)?,
        };
        let bytes = at(&path, file.metadata())?.len();
        Ok((file, path, bytes))
    }

    pub(crate) fn read_whole(&self, id: &BlobId) -> Result<Bytes, BlobError> {
        let (file, path, bytes) = self.open_file(id)?;
        if bytes > MAX_WHOLE_BYTES {
            return Err(BlobError::TooLarge { id: *id, bytes });
        }
        let mut content = Vec::with_capacity(bytes as usize);
        at(&path, file.take(MAX_WHOLE_BYTES).read_to_end(&mut content))?;
        if BlobId::of(&content) == *id {
            Ok(content.into())
        } else {
            Err(BlobError::Damaged(*id))
        }
    }

    pub(crate) fn size(&self, id: &BlobId) -> Result<Option<u64>, BlobError> {
        match self.open_file(id) {
            Ok((_, _, bytes)) => Ok(Some(bytes)),
            Err(BlobError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a blob, unless it was put at `unless_put_since` or later; whether it did.
    pub(crate) fn delete(&self, id: &BlobId, unless_put_since: Option<SystemTime>) -> Result<bool, BlobError> {
        let path = self.path(id);
        let _place = self.place();
        if let Some(since) = unless_put_since {
            let put = match fs::metadata(&path).and_then(|metadata| metadata.modified()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                put => at(&path, put)?,
            };
            if put >= since {
                return Ok(false);
            }
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            removed => at(&path, removed)?,
        }
        let folder = self.folder(id);
        at(&folder, sync_dir(&folder))?;
        Ok(true)
    }

    pub(crate) fn list(&self, after: Option<&BlobId>, limit: usize) -> Result<Vec<BlobId>, BlobError> {
        let after_text = after.map(BlobId::to_string).unwrap_or_default();
        let mut found = Vec::new();
        for outer in names(&self.root, 2)? {
            if outer.as_str() < after_text.get(..2).unwrap_or_default() {
                continue;
            }
            for inner in names(&self.root.join(&outer), 2)? {
                if format!("{outer}{inner}").as_str() < after_text.get(..4).unwrap_or_default() {
                    continue;
                }
                for name in names(&self.root.join(&outer).join(&inner), 64)? {
                    if found.len() == limit {
                        return Ok(found);
                    }
                    if name > after_text {
                        found.extend(name.parse::<BlobId>().ok());
                    }
                }
            }
        }
        Ok(found)
    }

    fn folder(&self, id: &BlobId) -> PathBuf {
        let name = id.to_string();
        self.root.join(&name[..2]).join(&name[2..4])
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        self.folder(id).join(id.to_string())
    }

    /// Makes the two levels of folders above a blob, durably.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if self.folders().contains(folder) {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        if let Some(outer) = folder.parent() {
            sync_dir(outer)?;
        }
        sync_dir(&self.root)?;
        self.folders().insert(folder.to_path_buf());
        Ok(())
    }

    fn folders(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> MutexGuard<'_, ()> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Draft {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.hash.update(bytes);
        at(&self.path, self.file.write_all(bytes))?;
        self.unflushed += bytes.len() as u64;
        if self.unflushed >= FLUSH_BYTES {
            self.flush_early()?;
        }
        Ok(())
    }

    /// Sends what was written to the disk while more comes in, so that the last sync has little left to do.
    fn flush_early(&mut self) -> Result<(), BlobError> {
        if let Some(outcome) = &self.flushing {
            match outcome.try_recv() {
                Err(mpsc::TryRecvError::Empty) => return Ok(()),
                outcome => at(&self.path, flushed(outcome.ok()))?,
            }
        }
        let file = at(&self.path, self.file.try_clone())?;
        let (done, flushing) = mpsc::sync_channel(1);
        tokio::task::spawn_blocking(move || {
            // Nobody waits for it any more when the draft was given up.
            let _ = done.send(file.sync_data());
        });
        (self.flushing, self.unflushed) = (Some(flushing), 0);
        Ok(())
    }

    /// Puts the blob in its place, on disk with its name.
    pub(crate) fn finish(mut self) -> Result<BlobId, BlobError> {
        if let Some(outcome) = self.flushing.take() {
            at(&self.path, flushed(outcome.recv().ok()))?;
        }
        let id = BlobId::from_bytes(self.hash.clone().finalize().into());
        // The age that the collector sees is that of the end of the writing.
        at(&self.path, self.file.set_modified(SystemTime::now()))?;
        at(&self.path, self.file.sync_all())?;
        let folder = self.disk.folder(&id);
        at(&folder, self.disk.make_folder(&folder))?;
        let place = self.disk.place();
        // Also when the blob is there already: the fresh file has a fresh age, and heals a damaged one.
        let path = self.disk.path(&id);
        at(&path, fs::rename(&self.path, &path))?;
        drop(place);
        at(&folder, sync_dir(&folder))?;
        Ok(id)
    }
}

fn flushed(outcome: Option<io::Result<()>>) -> io::Result<()> {
    outcome.unwrap_or_else(|| Err(io::Error::other("the runtime ended in the middle of a flush")))
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already when the blob is in place; else what cannot be removed now is swept at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Reads a file, or a range of it, in pieces.
pub(crate) struct FilePieces {
    id: BlobId,
    path: PathBuf,
    file: File,
    /// Of what was read so far; `None` when only a range is read, which no name vouches for.
    hash: Option<Sha256>,
    left: u64,
}

impl FilePieces {
    /// The whole blob, checked against its name.
    pub(crate) fn whole(disk: &Disk, id: BlobId) -> Result<Self, BlobError> {
        let (file, path, left) = disk.open_file(&id)?;
        if left == 0 && id != BlobId::of(b"") {
            return Err(BlobError::Damaged(id));
        }
        Ok(Self {
            id,
            path,
            file,
            hash: Some(Sha256::new()),
            left,
        })
    }

    /// A range of it, unchecked.
    pub(crate) fn range(disk: &Disk, id: BlobId, range: Range<u64>) -> Result<Self, BlobError> {
        let (mut file, path, bytes) = disk.open_file(&id)?;
        if range.end > bytes || range.start > range.end {
            return Err(BlobError::Damaged(id));
        }
        at(&path, file.seek(SeekFrom::Start(range.start)))?;
        Ok(Self {
            id,
            path,
            file,
            hash: None,
            left: range.end - range.start,
        })
    }

    /// Bytes not read yet.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next piece; `None` at the end. The last piece of a whole blob is given out only after the check.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut chunk = vec![0; self.left.min(CHUNK_BYTES as u64) as usize];
        match self.file.read_exact(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(BlobError::Damaged(self.id)),
            read => at(&self.path, read)?,
        }
        self.left -= chunk.len() as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(&chunk);
            if self.left == 0 && BlobId::from_bytes(hash.clone().finalize().into()) != self.id {
                return Err(BlobError::Damaged(self.id));
            }
        }
        Ok(Some(chunk.into()))
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The names in `dir` that are `digits` hexadecimal digits, in order; none when there is no such folder.
fn names(dir: &Path, digits: usize) -> Result<Vec<String>, BlobError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => at(dir, entries)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = at(dir, entry)?.file_name();
        let name = name
            .to_str()
            .filter(|name| name.len() == digits && name.bytes().all(|b| b.is_ascii_hexdigit()));
        names.extend(name.map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}
