//! The keys that everything else is sealed under: a file of the data folder.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use danbi_store::{Store, StoreError};
use zeroize::Zeroizing;

use crate::KeyringError;
use crate::key::{KEY_BYTES, SecretKey};

/// The first line of the file.
const TITLE: &str = "danbi master keys 1";
/// The file has one line a key; no rotation makes it longer than this.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The name of a master key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MasterKeyId(String);

impl Borrow<str> for MasterKeyId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The master keys of a service, of which the newest seals: a cheap handle.
///
/// They live in one file that only its owner can read, a line a key, oldest first; nothing else of the platform holds
/// them. Whoever loses the file loses all that is sealed under it: it belongs into the backup, and on every node when
/// there are several.
#[derive(Clone)]
pub struct MasterKeys(Arc<Ring>);

struct Ring {
    purpose: &'static [u8],
    keys: BTreeMap<MasterKeyId, SecretKey>,
    current: MasterKeyId,
}

impl MasterKeys {
    /// The keys in the file at `path`, for `purpose`, which nothing else may have. Their names are remembered in `store`
    /// under the key `place`; the first key is made only where none was ever remembered.
    ///
    /// # Errors
    /// [`KeyringError::Lost`] when the file, or one of the keys that were used, is gone; [`KeyringError::Unusable`] when the
    /// file cannot be read or written, is readable by others, or is no key file; [`KeyringError::Store`].
    pub async fn open(
        store: &Store,
        place: &[u8],
        path: PathBuf,
        purpose: &'static [u8],
    ) -> Result<Self, KeyringError> {
        let known = store.snapshot().await?.get(place).await?;
        let known: BTreeSet<String> = known.iter().flat_map(|names| lines(names)).collect();
        let makes = known.is_empty();
        let file = path.clone();
        let read = tokio::task::spawn_blocking(move || Self::of_file(&file, purpose, makes));
        let keys = read.await.map_err(|error| KeyringError::Unusable {
            path: path.clone(),
            reason: error.to_string(),
        })??;
        let has = |name: &&String| {
            keys.as_ref()
                .is_some_and(|keys| keys.0.keys.contains_key(name.as_str()))
        };
        let lost: Vec<String> = known.iter().filter(|name| !has(name)).cloned().collect();
        let Some(keys) = keys.filter(|_| lost.is_empty()) else {
            return Err(KeyringError::Lost { path, ids: lost });
        };
        // Remembered before anything is sealed under them, so that nothing sealed is ever forgotten.
        if keys.0.keys.keys().any(|id| !known.contains(&id.0)) {
            store
                .transact(async |tx| {
                    let before = tx.get(place).await?;
                    let mut names: BTreeSet<String> = before.iter().flat_map(|names| lines(names)).collect();
                    names.extend(keys.0.keys.keys().map(|id| id.0.clone()));
                    let names: Vec<String> = names.into_iter().collect();
                    tx.put(place, names.join("\n").into_bytes())?;
                    Ok::<_, StoreError>(())
                })
                .await?;
        }
        Ok(keys)
    }

    /// Reads the keys in `path`; when there is no such file, makes the first one if `makes`, else there are none. Blocks.
    pub(crate) fn of_file(path: &Path, purpose: &'static [u8], makes: bool) -> Result<Option<Self>, KeyringError> {
        let problem = |reason: String| KeyringError::Unusable {
            path: path.to_path_buf(),
            reason,
        };
        let parse = |text: &str| {
            let keys = Self::parse(text, purpose);
            keys.ok_or_else(|| problem("it is not a file of master keys".into()))
        };
        match read(path) {
            Ok(text) => parse(&text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !makes => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = SecretKey::random()?;
                let text = Zeroizing::new(format!("{TITLE}\n{}\n", line(&random_id()?, &key).as_str()));
                create(path, &text).map_err(|error| problem(error.to_string()))?;
                // Whoever was first wins, so the file is read back.
                let text = read(path).map_err(|error| problem(error.to_string()))?;
                parse(&text).map(Some)
            }
            Err(error) => Err(problem(error.to_string())),
        }
    }

    /// One key that lives in memory alone, for tests.
    ///
    /// # Errors
    /// [`KeyringError::Randomness`].
    pub fn ephemeral(purpose: &'static [u8]) -> Result<Self, KeyringError> {
        let current = random_id()?;
        let keys = BTreeMap::from([(current.clone(), SecretKey::random()?)]);
        Ok(Self(Arc::new(Ring { purpose, keys, current })))
    }

    /// Bytes, sealed under the current key as text that may be kept. They open with the same `bound` alone.
    ///
    /// # Errors
    /// [`KeyringError::Randomness`], [`KeyringError::TooLong`].
    pub fn seal(&self, plain: &[u8], bound: &[u8]) -> Result<String, KeyringError> {
        let current = &self.0.current;
        let master = self.0.keys.get(current).ok_or(KeyringError::Sealed)?;
        let sealed = master.seal(self.0.purpose, plain, bound)?;
        Ok(format!("{}.{}", current.0, STANDARD_NO_PAD.encode(sealed)))
    }

    /// What [`MasterKeys::seal`] sealed, under whichever of the keys.
    ///
    /// # Errors
    /// [`KeyringError::Sealed`] when the key is gone from the file, or the text was altered.
    pub fn open_sealed(&self, sealed: &str, bound: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let (by, sealed) = sealed.split_once('.').ok_or(KeyringError::Sealed)?;
        let sealed = STANDARD_NO_PAD.decode(sealed).map_err(|_| KeyringError::Sealed)?;
        let master = self.0.keys.get(by).ok_or(KeyringError::Sealed)?;
        master.open(self.0.purpose, &sealed, bound)
    }

    /// A key, sealed as [`MasterKeys::seal`] does.
    ///
    /// # Errors
    /// As there.
    pub fn seal_key(&self, key: &SecretKey) -> Result<String, KeyringError> {
        self.seal(key.expose(), &[])
    }

    /// The key that [`MasterKeys::seal_key`] sealed.
    ///
    /// # Errors
    /// As [`MasterKeys::open_sealed`].
    pub fn open_key(&self, sealed: &str) -> Result<SecretKey, KeyringError> {
        SecretKey::from_bytes(&self.open_sealed(sealed, &[])?).ok_or(KeyringError::Sealed)
    }

    /// Whether the file has the key of this name.
    pub fn has(&self, id: &MasterKeyId) -> bool {
        self.0.keys.contains_key(id)
    }

    /// The key that seals.
    pub fn current(&self) -> &MasterKeyId {
        &self.0.current
    }

    fn parse(text: &str, purpose: &'static [u8]) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != TITLE {
            return None;
        }
        let (mut keys, mut current) = (BTreeMap::new(), None);
        for line in lines {
            let (id, key) = line.split_once(' ')?;
            let bytes = Zeroizing::new(STANDARD.decode(key).ok()?);
            let id = MasterKeyId(id.to_owned());
            current = Some(id.clone());
            keys.insert(id, SecretKey::from_bytes(&bytes)?);
        }
        let current = current?;
        Some(Self(Arc::new(Ring { purpose, keys, current })))
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MasterKeys(current {}, {} in all)",
            self.0.current.0,
            self.0.keys.len()
        )
    }
}

/// The names in a value of the store.
fn lines(value: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(value).lines().map(str::to_owned).collect()
}

fn random_id() -> Result<MasterKeyId, KeyringError> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|_| KeyringError::Randomness)?;
    Ok(MasterKeyId(format!("{:016x}", u64::from_be_bytes(id))))
}

fn line(id: &MasterKeyId, key: &SecretKey) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(id.0.len() + 1 + KEY_BYTES * 2));
    line.push_str(&id.0);
    line.push(' ');
    STANDARD.encode_string(key.expose(), &mut line);
    line
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        let message = format!("others may read it (mode {:o}); make it 600", mode & 0o777);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a new file, all or nothing and never over another.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let draft: PathBuf = path.with_extension(format!("new-{}", std::process::id()));
    // A draft of an earlier process with this id is nobody's.
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // A link, unlike a rename, leaves a file alone that another process wrote meanwhile.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(folder)?.sync_all()
}
