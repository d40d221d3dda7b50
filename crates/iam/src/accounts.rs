//! The accounts of the platform as those outside them see them.

use crate::RootCredentials;
use danbi_core::{AccountId, AccountProfile, Accounts};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// The accounts that have credentials, and what their settings say of them.
#[derive(Debug, Clone, Default)]
pub struct KnownAccounts {
    profiles: Vec<AccountProfile>,
    by_account: HashMap<AccountId, usize>,
}

impl KnownAccounts {
    /// These accounts; of two profiles of one account the first counts.
    pub fn new(profiles: impl IntoIterator<Item = AccountProfile>) -> Self {
        let mut known = Self::default();
        for profile in profiles {
            let next = known.profiles.len();
            if let std::collections::hash_map::Entry::Vacant(entry) = known.by_account.entry(profile.account.clone()) {
                entry.insert(next);
                known.profiles.push(profile);
            }
        }
        known
    }

    /// Those that have root keys. Of several keys of one account, the first that says something of it counts; keys that
    /// name no account are of `own`.
    pub fn of(credentials: &RootCredentials, own: &AccountId) -> Self {
        let mut profiles: Vec<AccountProfile> = Vec::new();
        for key in credentials.keys() {
            let account = key.account.as_ref().unwrap_or(own);
            let plain = Self::plain(account);
            let known = match profiles.iter().position(|profile| profile.account == *account) {
                Some(at) => &mut profiles[at],
                None => {
                    profiles.push(plain.clone());
                    // Just pushed.
                    let last = profiles.len() - 1;
                    &mut profiles[last]
                }
            };
            if let Some(id) = key
                .canonical_id
                .as_ref()
                .filter(|_| known.canonical_id == plain.canonical_id)
            {
                known.canonical_id = id.clone();
            }
            known.display_name = known.display_name.take().or_else(|| key.display_name.clone());
            known.email = known.email.take().or_else(|| key.email.clone());
        }
        Self::new(profiles)
    }

    /// The profile of an account whose settings say nothing: its canonical user id is derived from its number, 64
    /// hexadecimal digits.
    pub fn plain(account: &AccountId) -> AccountProfile {
        let digest = Sha256::new()
            .chain_update(b"s3 canonical user ")
            .chain_update(account.as_str())
            .finalize();
        let canonical_id = danbi_core::hex::encode(digest);
        AccountProfile {
            account: account.clone(),
            canonical_id,
            display_name: None,
            email: None,
        }
    }
}

impl Accounts for KnownAccounts {
    fn profile(&self, account: &AccountId) -> AccountProfile {
        match self.by_account.get(account) {
            Some(&index) => self.profiles[index].clone(),
            None => Self::plain(account),
        }
    }

    // Few accounts have credentials, so a walk over them is as quick as a map.
    fn by_canonical_id(&self, canonical_id: &str) -> Option<AccountProfile> {
        let found = self
            .profiles
            .iter()
            .find(|profile| profile.canonical_id == canonical_id);
        found.cloned()
    }

    fn by_email(&self, email: &str) -> Option<AccountProfile> {
        let is = |given: &String| given.eq_ignore_ascii_case(email);
        let found = self
            .profiles
            .iter()
            .find(|profile| profile.email.as_ref().is_some_and(is));
        found.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_each_of_their_names() {
        let first: AccountId = "111111111111".parse().unwrap();
        let named = AccountProfile {
            display_name: Some("One".into()),
            email: Some("one@example.com".into()),
            ..KnownAccounts::plain(&first)
        };
        let again = KnownAccounts::plain(&first);
        let known = KnownAccounts::new([named.clone(), again]);
        assert_eq!(known.profile(&first), named);
        assert_eq!(known.by_canonical_id(&named.canonical_id), Some(named.clone()));
        assert_eq!(known.by_email("ONE@example.com"), Some(named.clone()));
        assert_eq!(known.by_email("two@example.com"), None);
        let stranger: AccountId = "222222222222".parse().unwrap();
        let profile = known.profile(&stranger);
        assert_eq!(profile.canonical_id.len(), 64);
        assert_ne!(profile.canonical_id, named.canonical_id);
        assert_eq!(known.by_canonical_id(&profile.canonical_id), None);
    }
}
