//! Credentials by the usual AWS chain (environment, then profile), else the root credentials of the data folder.

use super::Failure;
use danbi_core::SecretKey;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// An access key and where it came from.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The id.
    pub access_key_id: String,
    /// The secret.
    pub secret: SecretKey,
    /// For temporary credentials.
    pub session_token: Option<String>,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Environment,
    /// A profile that the environment names.
    NamedProfile(String),
    DefaultProfile(PathBuf),
    DataFolder(PathBuf),
}

impl Credentials {
    /// Whether it is just the default profile of `~/.aws`, which nobody chose for this platform.
    pub(super) fn is_default_profile(&self) -> bool {
        matches!(self.source, Source::DefaultProfile(_))
    }

    /// Where the key came from, for messages.
    pub fn origin(&self) -> String {
        match &self.source {
            Source::Environment => "the environment (AWS_ACCESS_KEY_ID)".into(),
            Source::NamedProfile(name) => format!("the profile {name} (AWS_PROFILE)"),
            Source::DefaultProfile(path) => format!("the default profile of {}", path.display()),
            Source::DataFolder(path) => path.display().to_string(),
        }
    }
}

/// Environment, profile, data folder, in this order.
pub(super) fn find(data: &Path) -> Result<Credentials, Failure> {
    if let (Some(access_key_id), Some(secret)) = (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
        let session_token = set("AWS_SESSION_TOKEN");
        return Ok(Credentials {
            access_key_id,
            secret: SecretKey::new(secret),
            session_token,
            source: Source::Environment,
        });
    }
    let file = shared_file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    if let Some(profile) = set("AWS_PROFILE").or_else(|| set("AWS_DEFAULT_PROFILE")) {
        let found = file
            .as_deref()
            .and_then(|file| in_file(file, &profile, Source::NamedProfile(profile.clone())));
        return found.ok_or_else(|| {
            Failure::new(
                "no credentials",
                format!("AWS_PROFILE names {profile}, which has no access key in the credentials file"),
            )
            .next("add it to ~/.aws/credentials, or unset AWS_PROFILE to use the platform's own credentials")
        });
    }
    if let Some(found) = file.and_then(|file| in_file(&file, "default", Source::DefaultProfile(file.clone()))) {
        return Ok(found);
    }
    of_data_folder(data).ok_or_else(|| {
        Failure::new("no credentials", format!("neither the environment nor a profile has any, and {} cannot be read", data.join("credentials").display()))
            .next("name the platform's data folder with --data or DANBI_DATA, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    })
}

/// The root credentials that the platform wrote at its first start.
pub(super) fn of_data_folder(data: &Path) -> Option<Credentials> {
    let path = data.join("credentials");
    in_file(&path, "default", Source::DataFolder(path.clone()))
}

/// The region that environment or profile name.
pub(super) fn region() -> Option<String> {
    let named = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"));
    named.or_else(|| {
        let profile = set("AWS_PROFILE").or_else(|| set("AWS_DEFAULT_PROFILE"));
        let section = profile.map_or_else(|| "default".to_owned(), |name| format!("profile {name}"));
        sections(&shared_file("AWS_CONFIG_FILE", "config")?)
            .remove(&section)?
            .remove("region")
    })
}

fn in_file(path: &Path, profile: &str, source: Source) -> Option<Credentials> {
    let mut keys = sections(path).remove(profile)?;
    Some(Credentials {
        access_key_id: keys.remove("aws_access_key_id")?,
        secret: SecretKey::new(keys.remove("aws_secret_access_key")?),
        session_token: keys.remove("aws_session_token"),
        source,
    })
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn shared_file(variable: &str, name: &str) -> Option<PathBuf> {
    set(variable)
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".aws").join(name)))
}

/// An AWS shared file: `[section]` lines and `key = value` lines. A missing file has no sections.
fn sections(path: &Path) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut section = String::new();
    for line in fs::read_to_string(path).unwrap_or_default().lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            found
                .entry(section.clone())
                .or_default()
                .insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_file_is_read_by_section() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(
            file.path(),
            "# c\n[default]\naws_access_key_id = A\naws_secret_access_key=s=1\n[other]\nregion = x\n",
        )
        .unwrap();
        let found = in_file(file.path(), "default", Source::Environment).unwrap();
        assert_eq!((found.access_key_id.as_str(), found.secret.expose()), ("A", "s=1"));
        assert!(in_file(file.path(), "other", Source::Environment).is_none());
    }
}
