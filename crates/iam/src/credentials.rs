//! The root key of the account, in `DATA/credentials`.

use crate::{IamError, random};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use danbi_core::SecretKey;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file's name inside the data folder.
const FILE_NAME: &str = "credentials";
/// A credentials file is some 150 bytes; more than this is something else.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The root key: an access key id and its secret.
#[derive(Debug, Clone)]
pub struct RootCredentials {
    /// Such as `AKIAIOSFODNN7EXAMPLE`.
    pub access_key_id: String,
    /// The secret.
    pub secret: SecretKey,
}

/// A root key chosen by whoever starts the platform.
#[derive(Debug, Clone)]
pub struct GivenRootKey {
    access_key_id: String,
    secret: SecretKey,
}

impl GivenRootKey {
    /// The variable that names the access key id.
    pub const ID_VARIABLE: &'static str = "DANBI_ROOT_ACCESS_KEY_ID";
    /// The variable that holds the secret.
    pub const SECRET_VARIABLE: &'static str = "DANBI_ROOT_SECRET_ACCESS_KEY";

    /// Reads both variables through `variable`; `None` when neither is set. Unusual keys such as `test` are welcome:
    /// 1 to 128 letters and digits for the id, 1 to 256 printable characters for the secret.
    ///
    /// # Errors
    /// [`IamError::Environment`] when only one is set or one is malformed.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, IamError> {
        let given = |name| variable(name).filter(|value| !value.is_empty());
        match (given(Self::ID_VARIABLE), given(Self::SECRET_VARIABLE)) {
            (None, None) => Ok(None),
            (Some(id), Some(secret)) if is_id(&id) && is_secret(&secret) => Ok(Some(Self {
                access_key_id: id,
                secret: SecretKey::new(secret),
            })),
            (Some(_), Some(_)) => Err(IamError::Environment(
                "DANBI_ROOT_ACCESS_KEY_ID must be 1 to 128 letters, digits, '-' or '_', and DANBI_ROOT_SECRET_ACCESS_KEY 1 to \
                 256 printable characters without spaces",
            )),
            _ => Err(IamError::Environment(
                "DANBI_ROOT_ACCESS_KEY_ID and DANBI_ROOT_SECRET_ACCESS_KEY belong together: set both, or neither",
            )),
        }
    }
}

impl RootCredentials {
    /// The root key for the data folder `data`: the given one, else the one in `DATA/credentials`, else a fresh one. The
    /// file then holds it, mode 0600, in the format of AWS's credentials files; it is replaced atomically when the given
    /// key is another. Blocking.
    ///
    /// # Errors
    /// [`IamError::Exposed`] and [`IamError::Damaged`] for a file that is not as it was left, unless a given key replaces
    /// it; [`IamError::File`], [`IamError::Random`].
    pub fn open(data: &Path, given: Option<GivenRootKey>) -> Result<Self, IamError> {
        let path = data.join(FILE_NAME);
        let existing = read(&path);
        if let Some(GivenRootKey { access_key_id, secret }) = given {
            let wanted = Self { access_key_id, secret };
            let same = matches!(&existing, Ok(Some(have))
                if have.access_key_id == wanted.access_key_id && have.secret == wanted.secret);
            if !same {
                write(&path, &wanted)?;
            }
            return Ok(wanted);
        }
        if let Some(existing) = existing? {
            return Ok(existing);
        }
        // 30 bytes are 40 characters of base64.
        let secret = SecretKey::new(BASE64_STANDARD_NO_PAD.encode(random::bytes::<30>()?));
        let fresh = Self {
            access_key_id: random::id("AKIA", 16)?,
            secret,
        };
        write(&path, &fresh)?;
        Ok(fresh)
    }
}

fn read(path: &Path) -> Result<Option<RootCredentials>, IamError> {
    let failed = |source| IamError::File {
        verb: "read",
        path: path.into(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IamError::Exposed {
            path: path.into(),
            mode,
        });
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let damaged = |reason| IamError::Damaged {
        path: path.into(),
        reason,
    };
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(damaged("it is larger than 64 KiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
    parse(&text).map(Some).map_err(damaged)
}

fn parse(text: &str) -> Result<RootCredentials, &'static str> {
    let (mut section, mut id, mut secret) = ("", None, None);
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim();
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .ok_or("a line is neither a [section] nor key = value")?;
        if section == "default" {
            match key.trim() {
                "aws_access_key_id" => id = Some(value.trim()),
                "aws_secret_access_key" => secret = Some(value.trim()),
                _ => {}
            }
        }
    }
    let id = id
        .filter(|id| is_id(id))
        .ok_or("aws_access_key_id is missing or malformed")?;
    let secret = secret
        .filter(|text| is_secret(text))
        .ok_or("aws_secret_access_key is missing or malformed")?;
    Ok(RootCredentials {
        access_key_id: id.into(),
        secret: SecretKey::new(secret),
    })
}

fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn is_secret(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Writes beside the file, syncs, and renames over it, so that a crash leaves either the old one or the new one.
fn write(path: &Path, credentials: &RootCredentials) -> Result<(), IamError> {
    let text = format!(
        "# The root key of this platform's account. Keep it secret.\n[default]\naws_access_key_id = {}\naws_secret_access_key \
         = {}\n",
        credentials.access_key_id,
        credentials.secret.expose()
    );
    let aside: PathBuf = path.with_extension("new");
    let attempt = || -> std::io::Result<()> {
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?;
        // The umask may have taken more than it should, or nothing.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    attempt().map_err(|source| IamError::File {
        verb: "write",
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(id: &str, secret: &str) -> Option<GivenRootKey> {
        let variable = |name: &str| {
            Some(if name == GivenRootKey::ID_VARIABLE {
                id.into()
            } else {
                secret.into()
            })
        };
        GivenRootKey::from_environment(variable).unwrap()
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let data = tempfile::tempdir().unwrap();
        let first = RootCredentials::open(data.path(), None).unwrap();
        assert!(first.access_key_id.starts_with("AKIA"));
        assert_eq!((first.access_key_id.len(), first.secret.expose().len()), (20, 40));
        let file = data.path().join("credentials");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = RootCredentials::open(data.path(), None).unwrap();
        assert_eq!((again.access_key_id, again.secret), (first.access_key_id, first.secret));
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_given_key_replaces_the_file() {
        let data = tempfile::tempdir().unwrap();
        RootCredentials::open(data.path(), None).unwrap();
        RootCredentials::open(data.path(), given("test", "test")).unwrap();
        assert_eq!(RootCredentials::open(data.path(), None).unwrap().access_key_id, "test");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_advice() {
        let data = tempfile::tempdir().unwrap();
        RootCredentials::open(data.path(), None).unwrap();
        let file = data.path().join("credentials");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let message = RootCredentials::open(data.path(), None).unwrap_err().to_string();
        assert!(
            message.contains("mode 644") && message.contains("chmod 600"),
            "{message}"
        );
    }

    #[test]
    fn a_damaged_file_is_refused_and_not_replaced() {
        let data = tempfile::tempdir().unwrap();
        RootCredentials::open(data.path(), None).unwrap();
        let file = data.path().join("credentials");
        for damage in [
            "",
            "[default]\naws_access_key_id = A\n",
            "[default]\nrubbish\n",
            "[other]\naws_access_key_id=A\n",
        ] {
            fs::write(&file, damage).unwrap();
            assert!(
                matches!(RootCredentials::open(data.path(), None), Err(IamError::Damaged { .. })),
                "{damage:?}"
            );
            assert_eq!(fs::read_to_string(&file).unwrap(), damage);
        }
    }

    #[test]
    fn the_variables_belong_together() {
        let only_id = |name: &str| (name == GivenRootKey::ID_VARIABLE).then(|| "A".to_owned());
        assert!(GivenRootKey::from_environment(only_id).is_err());
        assert!(GivenRootKey::from_environment(|_| None).unwrap().is_none());
        assert!(GivenRootKey::from_environment(|_| Some("a b\n".into())).is_err());
    }
}
