//! The platform's own keys: each data key is kept encrypted under the current one.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::key::{KEY_BYTES, SecretKey};
use super::{CryptoError, hex};

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

/// The master keys, of which the newest wraps: a cheap handle.
///
/// They live in one file that only its owner can read, a line a key, oldest first; nothing else of the platform holds
/// them. Whoever loses the file loses every object that is not encrypted by its owner's own key: it belongs into the
/// backup, and on every node when there are several.
#[derive(Clone)]
pub struct MasterKeys(Arc<Ring>);

struct Ring {
    keys: BTreeMap<MasterKeyId, SecretKey>,
    current: MasterKeyId,
}

impl MasterKeys {
    /// Reads the keys in `path`, or makes the first one when there is no such file. Blocks.
    ///
    /// # Errors
    /// [`CryptoError::MasterKeys`] when the file cannot be read or written, is readable by others, or is no key file.
    pub fn open(path: &Path) -> Result<Self, CryptoError> {
        let problem = |reason: String| CryptoError::MasterKeys {
            path: path.to_path_buf(),
            reason,
        };
        match read(path) {
            Ok(text) => Self::parse(&text).ok_or_else(|| problem("it is not a file of master keys".into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = SecretKey::random()?;
                let text = Zeroizing::new(format!("{TITLE}\n{}\n", line(&random_id()?, &key).as_str()));
                create(path, &text).map_err(|error| problem(error.to_string()))?;
                // Whoever was first wins, so the file is read back.
                let text = read(path).map_err(|error| problem(error.to_string()))?;
                Self::parse(&text).ok_or_else(|| problem("it is not a file of master keys".into()))
            }
            Err(error) => Err(problem(error.to_string())),
        }
    }

    /// One key that lives in memory alone, for tests.
    ///
    /// # Errors
    /// [`CryptoError::Randomness`].
    pub fn ephemeral() -> Result<Self, CryptoError> {
        let current = random_id()?;
        let keys = BTreeMap::from([(current.clone(), SecretKey::random()?)]);
        Ok(Self(Arc::new(Ring { keys, current })))
    }

    /// A data key, sealed under the current master key, as text that may be kept.
    ///
    /// # Errors
    /// [`CryptoError::Randomness`].
    pub fn seal_key(&self, key: &SecretKey) -> Result<String, CryptoError> {
        let current = &self.0.current;
        let master = self.0.keys.get(current).ok_or(CryptoError::Key)?;
        Ok(format!("{}.{}", current.0, master.wrap(key)?))
    }

    /// The data key that [`MasterKeys::seal_key`] sealed, under whichever master key.
    ///
    /// # Errors
    /// [`CryptoError::Key`] when the master key is gone from the file, or the text was altered.
    pub fn open_key(&self, sealed: &str) -> Result<SecretKey, CryptoError> {
        let (by, sealed) = sealed.split_once('.').ok_or(CryptoError::Key)?;
        self.0.keys.get(by).ok_or(CryptoError::Key)?.unwrap(sealed)
    }

    /// Whether the file still has the key of this name.
    pub fn has(&self, id: &MasterKeyId) -> bool {
        self.0.keys.contains_key(id)
    }

    /// The key that wraps.
    pub fn current(&self) -> &MasterKeyId {
        &self.0.current
    }

    fn parse(text: &str) -> Option<Self> {
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
        Some(Self(Arc::new(Ring {
            keys,
            current: current?,
        })))
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

fn random_id() -> Result<MasterKeyId, CryptoError> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|_| CryptoError::Randomness)?;
    Ok(MasterKeyId(hex(&id)))
}

fn line(id: &MasterKeyId, key: &SecretKey) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(id.0.len() + 1 + KEY_BYTES * 2));
    line.push_str(&id.0);
    line.push(' ');
    STANDARD.encode_string(key.as_bytes(), &mut line);
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
