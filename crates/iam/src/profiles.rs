//! The format of `DATA/credentials`: AWS's, with a profile for each root key.
//!
//! ```text
//! [default]
//! aws_access_key_id = AKIA…
//! aws_secret_access_key = …
//!
//! [second]
//! aws_access_key_id = …
//! aws_secret_access_key = …
//! aws_account_id = 111122223333
//! ```
//!
//! `aws_account_id` is AWS's own key; without it a profile is of the platform's account. What S3 shows of an account may
//! be set beside it: `danbi_canonical_user_id`, `danbi_display_name`, `danbi_email`. Other keys are passed over, as AWS's
//! tools do.

use crate::credentials::{RootCredentials, RootKey, is_id, is_secret};
use danbi_core::SecretKey;

/// The most characters of what is shown of an account.
const MAX_SHOWN: usize = 128;

const DEFAULT: &str = "default";

/// One section with the keys that count.
#[derive(Default)]
struct Profile<'t> {
    name: &'t str,
    entries: Vec<(&'t str, &'t str)>,
}

/// Reads all profiles.
///
/// # Errors
/// What is wrong, in words that hold nothing secret.
pub(crate) fn parse(text: &str) -> Result<RootCredentials, String> {
    let mut profiles: Vec<Profile<'_>> = Vec::new();
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = section(line) {
            if profiles.iter().any(|profile| profile.name == name) {
                return Err(format!("the profile [{name}] is there twice"));
            }
            let entries = Vec::new();
            profiles.push(Profile { name, entries });
            continue;
        }
        let entry = line.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        let (Some(entry), Some(profile)) = (entry, profiles.last_mut()) else {
            let line = number + 1;
            return Err(format!("line {line} is neither a [profile] nor key = value in one"));
        };
        profile.entries.push(entry);
    }
    let default = profiles.iter().position(|profile| profile.name == DEFAULT);
    let default = default.map(|at| profiles.remove(at)).unwrap_or_default();
    let default = Profile {
        name: DEFAULT,
        ..default
    }
    .key()?;
    let others = profiles.iter().map(Profile::key).collect::<Result<Vec<_>, _>>()?;
    let credentials = RootCredentials { default, others };
    let mut ids: Vec<&str> = credentials.keys().map(|key| key.access_key_id.as_str()).collect();
    ids.sort_unstable();
    match ids.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err("two profiles have the same aws_access_key_id".into()),
        false => Ok(credentials),
    }
}

/// Whether there is a profile besides the default one.
pub(crate) fn has_others(text: &str) -> bool {
    text.lines()
        .filter_map(|line| section(line.trim()))
        .any(|name| name != DEFAULT)
}

/// The text of all profiles but the default one, with the comments before and in them.
pub(crate) fn others(text: &str) -> String {
    let (mut kept, mut pending, mut in_default) = (String::new(), String::new(), true);
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(name) = section(trimmed) {
            in_default = name == DEFAULT;
            if !in_default {
                kept.push_str(&pending);
            }
            pending.clear();
        }
        let target = match in_default {
            // A comment after the default profile's entries belongs to the profile that follows.
            true if trimmed.is_empty() || trimmed.starts_with(['#', ';']) => &mut pending,
            true => {
                pending.clear();
                continue;
            }
            false => &mut kept,
        };
        target.push_str(line);
        target.push('\n');
    }
    kept
}

fn section(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    name.map(str::trim)
}

impl Profile<'_> {
    /// The last value of a key.
    fn get(&self, key: &str) -> Option<&str> {
        let found = self.entries.iter().rev().find(|(have, _)| *have == key);
        found.map(|(_, value)| *value)
    }

    fn key(&self) -> Result<RootKey, String> {
        let wrong = |key: &str| format!("{key} of the profile [{}] is missing or malformed", self.name);
        let needed = |key: &str, is: fn(&str) -> bool| {
            let value = self.get(key).filter(|value| is(value));
            value.ok_or_else(|| wrong(key)).map(str::to_owned)
        };
        let shown = |key: &str| match self.get(key) {
            Some(value) if !is_shown(value) => Err(wrong(key)),
            value => Ok(value.map(str::to_owned)),
        };
        let account = self.get("aws_account_id").map(str::parse).transpose();
        Ok(RootKey {
            access_key_id: needed("aws_access_key_id", is_id)?,
            secret: SecretKey::new(needed("aws_secret_access_key", is_secret)?),
            account: account.map_err(|_| wrong("aws_account_id"))?,
            canonical_id: shown("danbi_canonical_user_id")?,
            display_name: shown("danbi_display_name")?,
            email: shown("danbi_email")?,
        })
    }
}

fn is_shown(text: &str) -> bool {
    (1..=MAX_SHOWN).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_says_whose_it_is_and_how_it_is_shown() {
        let text = "[default]\naws_access_key_id=A\naws_secret_access_key=a\nregion = x\n\n; Two.\n[two]\n\
            aws_access_key_id = B\naws_secret_access_key = b\naws_account_id = 000011112222\n\
            danbi_canonical_user_id = 79a5\ndanbi_display_name = M. Tester\ndanbi_email = m@example.com\n";
        let read = parse(text).unwrap();
        assert_eq!(
            (read.default.access_key_id.as_str(), &read.default.account),
            ("A", &None)
        );
        let two = &read.others[0];
        assert_eq!(two.account.as_ref().unwrap().as_str(), "000011112222");
        assert_eq!(
            (two.canonical_id.as_deref(), two.email.as_deref()),
            (Some("79a5"), Some("m@example.com"))
        );
        assert_eq!(two.display_name.as_deref(), Some("M. Tester"));
        assert_eq!(others(text), text[text.find("\n; Two").unwrap()..]);
        assert!(has_others(text) && !has_others("[default]\n"));
    }

    #[test]
    fn what_is_malformed_is_said_without_secrets() {
        let default = "[default]\naws_access_key_id=A\naws_secret_access_key=hush\n";
        for (more, words) in [
            ("[default]\n", "the profile [default] is there twice"),
            ("rubbish\n", "line 4 is neither"),
            ("[b]\naws_access_key_id=B\n", "aws_secret_access_key of the profile [b]"),
            (
                "[b]\naws_access_key_id=A\naws_secret_access_key=b\n",
                "the same aws_access_key_id",
            ),
            (
                "[b]\naws_access_key_id=B\naws_secret_access_key=b\naws_account_id=12\n",
                "aws_account_id of the profile [b]",
            ),
        ] {
            let reason = parse(&format!("{default}{more}")).unwrap_err();
            assert!(reason.contains(words) && !reason.contains("hush"), "{reason}");
        }
        assert!(parse("aws_access_key_id=A\n").unwrap_err().contains("line 1"));
    }
}
