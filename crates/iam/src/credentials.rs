//! The root keys of the platform's accounts, in `DATA/credentials`.

use crate::{IamError, profiles, random};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use danbi_core::{AccountId, SecretKey};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file's name inside the data folder.
const FILE_NAME: &str = "credentials";
/// A credentials file is some 150 bytes; more than this is something else.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A root key: an access key id, its secret, and the account that it speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootKey {
    /// Such as `AKIAIOSFODNN7EXAMPLE`.
    pub access_key_id: String,
    /// The secret.
    pub secret: SecretKey,
    /// The account; `None` for the platform's own.
    pub account: Option<AccountId>,
    /// The account's canonical user id in S3, where it is not the one derived from its number.
    pub canonical_id: Option<String>,
    /// A name that S3 shows beside the canonical user id.
    pub display_name: Option<String>,
    /// The address by which S3's grants may name the account.
    pub email: Option<String>,
}

/// The root keys of the platform's accounts.
#[derive(Debug, Clone)]
pub struct RootCredentials {
    /// That of the profile `default`: made at the first start, or given by whoever starts the platform.
    pub default: RootKey,
    /// Those of the other profiles: further accounts, or further keys of one.
    pub others: Vec<RootKey>,
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
    /// The root keys for the data folder `data`. The default one is the given one, else the one in `DATA/credentials`,
    /// else a fresh one. The file then holds it, mode 0600, in the format of AWS's credentials files, beside the other
    /// profiles that were there; it is replaced atomically when the given key is another. Blocking.
    ///
    /// # Errors
    /// [`IamError::Exposed`] and [`IamError::Damaged`] for a file that is not as it was left, unless it has no other
    /// profile and a given key replaces it; [`IamError::File`], [`IamError::Random`].
    pub fn open(data: &Path, given: Option<GivenRootKey>) -> Result<Self, IamError> {
        let path = data.join(FILE_NAME);
        let text = read(&path);
        let parse = |text: &str| {
            profiles::parse(text).map_err(|reason| IamError::Damaged {
                path: path.clone(),
                reason,
            })
        };
        if let Some(GivenRootKey { access_key_id, secret }) = given {
            let kept = match &text {
                Ok(Some(text)) if profiles::has_others(text) => Some(text.as_str()),
                Err(error @ IamError::Exposed { .. }) => {
                    tracing::warn!("{error}. The given key replaces the one in it");
                    None
                }
                _ => None,
            };
            let same = matches!(&text, Ok(Some(text)) if profiles::parse(text).is_ok_and(|have| {
                have.default.access_key_id == access_key_id && have.default.secret == secret
            }));
            let settings = kept.map(parse).transpose()?;
            let default = match &settings {
                Some(have) if same => have.default.clone(),
                _ => RootKey::of(access_key_id, secret),
            };
            if !same {
                write(&path, &default, kept)?;
            }
            let others = settings.map(|settings| settings.others).unwrap_or_default();
            return match others.iter().any(|other| other.access_key_id == default.access_key_id) {
                true => Err(IamError::Environment(
                    "DANBI_ROOT_ACCESS_KEY_ID names a key that another profile of the credentials file has",
                )),
                false => Ok(Self { default, others }),
            };
        }
        if let Some(text) = text? {
            return parse(&text);
        }
        // 30 bytes are 40 characters of base64.
        let secret = SecretKey::new(BASE64_STANDARD_NO_PAD.encode(random::bytes::<30>()?));
        let default = RootKey::of(random::id("AKIA", 16)?, secret);
        write(&path, &default, None)?;
        Ok(Self {
            default,
            others: Vec::new(),
        })
    }

    /// All keys, the default one first.
    pub fn keys(&self) -> impl Iterator<Item = &RootKey> {
        std::iter::once(&self.default).chain(&self.others)
    }
}

impl RootKey {
    fn of(access_key_id: String, secret: SecretKey) -> Self {
        Self {
            access_key_id,
            secret,
            account: None,
            canonical_id: None,
            display_name: None,
            email: None,
        }
    }
}

/// The file's text; `None` when there is no file.
fn read(path: &Path) -> Result<Option<String>, IamError> {
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
    let damaged = |reason: &str| IamError::Damaged {
        path: path.into(),
        reason: reason.into(),
    };
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(damaged("it is larger than 64 KiB"));
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| damaged("it is not text"))
}

pub(crate) fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

pub(crate) fn is_secret(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Writes beside the file, syncs, and renames over it, so that a crash leaves either the old one or the new one. The
/// other profiles of `old` stay as they are.
fn write(path: &Path, key: &RootKey, old: Option<&str>) -> Result<(), IamError> {
    let text = format!(
        "# The root key of this platform's account. Keep it secret.\n[default]\naws_access_key_id = {}\naws_secret_access_key \
         = {}\n{}",
        key.access_key_id,
        key.secret.expose(),
        old.map(profiles::others).unwrap_or_default()
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
        assert!(first.default.access_key_id.starts_with("AKIA"));
        assert_eq!(
            (first.default.access_key_id.len(), first.default.secret.expose().len()),
            (20, 40)
        );
        let file = data.path().join("credentials");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = RootCredentials::open(data.path(), None).unwrap();
        assert_eq!(again.default, first.default);
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_given_key_replaces_the_file() {
        let data = tempfile::tempdir().unwrap();
        RootCredentials::open(data.path(), None).unwrap();
        RootCredentials::open(data.path(), given("test", "test")).unwrap();
        let opened = RootCredentials::open(data.path(), None).unwrap();
        assert_eq!(
            (opened.default.access_key_id.as_str(), opened.others.len()),
            ("test", 0)
        );
    }

    #[test]
    fn other_profiles_are_further_accounts_and_outlive_a_given_key() {
        let data = tempfile::tempdir().unwrap();
        RootCredentials::open(data.path(), None).unwrap();
        let file = data.path().join("credentials");
        let other =
            "# Ours too.\n[alt]\naws_access_key_id = ALT\naws_secret_access_key = s\naws_account_id = 111122223333\n";
        let both = format!("{}\n{other}", fs::read_to_string(&file).unwrap());
        fs::write(&file, &both).unwrap();
        let opened = RootCredentials::open(data.path(), None).unwrap();
        let account = |key: &RootKey| key.account.as_ref().map(ToString::to_string);
        assert_eq!(
            opened.keys().map(account).collect::<Vec<_>>(),
            [None, Some("111122223333".into())]
        );
        let opened = RootCredentials::open(data.path(), given("test", "test")).unwrap();
        assert_eq!(
            (opened.default.access_key_id.as_str(), opened.others.len()),
            ("test", 1)
        );
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.ends_with(other) && !text.contains("AKIA"), "{text}");
        assert!(RootCredentials::open(data.path(), given("ALT", "s")).is_err());
        fs::write(&file, format!("{both}rubbish\n")).unwrap();
        assert!(matches!(
            RootCredentials::open(data.path(), given("test", "test")),
            Err(IamError::Damaged { .. })
        ));
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
