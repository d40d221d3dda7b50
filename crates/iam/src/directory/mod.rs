//! What a node remembers of users, roles and keys, so that a request need not read them from the store.
//!
//! Every change of an account's IAM writes a new revision of the account in its own transaction. What is remembered bears
//! the revision that it was read with and counts only while that is the account's. A node learns of its own changes at
//! once, and of other nodes' within [`STALE_AFTER`].

mod load;
mod roles;
mod used;

use crate::policy::Policy;
use crate::records::{AccessKey, Kind, View};
use crate::{Result, Sessions, keys, records};
use bytes::Bytes;
use danbi_core::{AccountId, Arn, Clock, Principal, SecretKey, Timestamp};
use danbi_store::Store;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a node may go without looking whether another one changed an account.
pub const STALE_AFTER: Duration = Duration::from_secs(1);

/// Identities, keys and session policies remembered, each.
const MAX_REMEMBERED: usize = 4096;

/// A user or role as decisions need it.
#[derive(Debug, Clone, Default)]
pub struct KnownIdentity {
    /// Attached to the user, its groups, or the role.
    pub identity: Vec<Arc<Policy>>,
    /// The permissions boundary.
    pub boundary: Option<Arc<Policy>>,
    /// The ARN with its path, which a session's own does not have (`aws:PrincipalArn`).
    pub arn: Option<String>,
    /// Its tags (`aws:PrincipalTag/…`).
    pub tags: Vec<(String, String)>,
    /// The unique id.
    pub(crate) id: String,
    /// Of a role: who may assume it.
    pub(crate) trust: Option<Arc<Policy>>,
    /// Of a role: the longest session, in seconds.
    pub(crate) max_session: i32,
}

/// A user's access key.
pub(crate) struct KnownKey {
    pub(crate) secret: SecretKey,
    pub(crate) principal: Principal,
    pub(crate) active: bool,
}

/// Users, roles and keys, read from the store when they are first asked for.
pub struct Directory {
    store: Store,
    clock: Arc<dyn Clock>,
    sessions: Arc<Sessions>,
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    /// Counts what this node forgot, so that a look-up that began before does not put back what it had read.
    forgotten: u64,
    revisions: HashMap<AccountId, (Bytes, Instant)>,
    /// By unique id, and roles by ARN too.
    identities: HashMap<String, Arc<Dated<KnownIdentity>>>,
    keys: HashMap<String, Arc<Dated<KnownKey>>>,
    /// Session policies by their text, which cannot go stale.
    parsed: HashMap<String, Arc<Policy>>,
    /// When the use of a key was last written down.
    used: HashMap<String, Instant>,
}

/// What was true at a revision of an account.
struct Dated<T> {
    account: AccountId,
    revision: Bytes,
    what: Arc<T>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Directory(…)")
    }
}

impl Remembered {
    /// The account's revision, when it is known to be the present one.
    fn revision(&self, account: &AccountId) -> Option<&Bytes> {
        let (revision, read) = self.revisions.get(account)?;
        (read.elapsed() < STALE_AFTER).then_some(revision)
    }

    fn learn(&mut self, forgotten: u64, account: &AccountId, revision: &Bytes, read: Instant) {
        if self.forgotten == forgotten {
            self.revisions.insert(account.clone(), (revision.clone(), read));
        }
    }
}

/// Bounds a map: it is emptied when it is full, because what is needed comes back by itself.
fn remember<T>(map: &mut HashMap<String, T>, key: &str, value: T) {
    if map.len() >= MAX_REMEMBERED && !map.contains_key(key) {
        map.clear();
    }
    map.insert(key.to_owned(), value);
}

impl Directory {
    /// What `store` holds; the secrets of access keys are made with `sessions`.
    pub fn new(store: Store, clock: Arc<dyn Clock>, sessions: Arc<Sessions>) -> Self {
        Self {
            store,
            clock,
            sessions,
            remembered: Mutex::default(),
        }
    }

    /// The present instant.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was known of the account, because this node changed it.
    pub(crate) fn forget(&self, account: &AccountId) {
        let mut remembered = self.remembered();
        remembered.forgotten += 1;
        remembered.revisions.remove(account);
    }

    /// Whether `dated` still holds; looks into the store when that was last done a while ago.
    async fn is_current<T>(&self, dated: &Dated<T>) -> Result<bool> {
        let (forgotten, read) = {
            let remembered = self.remembered();
            if let Some(revision) = remembered.revision(&dated.account) {
                return Ok(*revision == dated.revision);
            }
            (remembered.forgotten, Instant::now())
        };
        let view = self.store.snapshot().await?;
        let revision = view.value(&keys::revision(&dated.account)).await?.unwrap_or_default();
        self.remembered().learn(forgotten, &dated.account, &revision, read);
        Ok(revision == dated.revision)
    }

    /// The user or role that acts as `principal`; nothing for the root, for services, and for whom there is no more.
    pub(crate) async fn identity(&self, principal: &Principal) -> Result<Option<Arc<KnownIdentity>>> {
        let Principal::Identity { arn, id, .. } = principal else {
            return Ok(None);
        };
        let unique = id.split(':').next().unwrap_or_default();
        let (kind, name) = match arn.resource.split_once('/') {
            Some(("user", path)) => (Kind::User, path.rsplit('/').next()),
            Some(("assumed-role", rest)) => (Kind::Role, rest.split('/').next()),
            _ => return Ok(None),
        };
        let (Some(name), Ok(account)) = (name, arn.account.parse()) else {
            return Ok(None);
        };
        self.lookup(unique, &account, kind, name, |found| found.id == unique)
            .await
    }

    /// The role with this ARN, path and all.
    pub(crate) async fn role(&self, role: &Arn) -> Result<Option<Arc<KnownIdentity>>> {
        let path = role.resource.strip_prefix("role/").filter(|_| role.service == "iam");
        let name = path.and_then(|path| path.rsplit('/').next());
        let (Some(name), Ok(account)) = (name, role.account.parse()) else {
            return Ok(None);
        };
        let text = role.to_string();
        let is = |found: &KnownIdentity| found.arn.as_deref() == Some(text.as_str());
        self.lookup(&text, &account, Kind::Role, name, is).await
    }

    async fn lookup(
        &self,
        key: &str,
        account: &AccountId,
        kind: Kind,
        name: &str,
        is: impl Fn(&KnownIdentity) -> bool,
    ) -> Result<Option<Arc<KnownIdentity>>> {
        let known = self.remembered().identities.get(key).cloned();
        let what = match known {
            Some(known) if self.is_current(&known).await? => Arc::clone(&known.what),
            _ => {
                let (forgotten, read) = (self.remembered().forgotten, Instant::now());
                let view = self.store.snapshot().await?;
                let revision = view.value(&keys::revision(account)).await?.unwrap_or_default();
                let found = records::find(&view, account, kind, name).await?;
                let what = match found {
                    Some(found) => load::identity(&view, account, &found).await?,
                    None => KnownIdentity::default(),
                };
                let what = Arc::new(what);
                let dated = Dated {
                    account: account.clone(),
                    revision: revision.clone(),
                    what: Arc::clone(&what),
                };
                let mut remembered = self.remembered();
                remembered.learn(forgotten, account, &revision, read);
                remember(&mut remembered.identities, key, Arc::new(dated));
                what
            }
        };
        // Somebody else may have the name by now.
        Ok(is(&what).then_some(what))
    }

    /// The access key with this id, if a user has it.
    pub(crate) async fn key(&self, id: &str) -> Result<Option<Arc<KnownKey>>> {
        let known = self.remembered().keys.get(id).cloned();
        if let Some(known) = known
            && self.is_current(&known).await?
        {
            return Ok(Some(Arc::clone(&known.what)));
        }
        let (forgotten, read) = (self.remembered().forgotten, Instant::now());
        let view = self.store.snapshot().await?;
        let Some(key) = view.record::<AccessKey>(&keys::access_key(id)).await? else {
            self.remembered().keys.remove(id);
            return Ok(None);
        };
        let Ok(account) = key.account.parse::<AccountId>() else {
            return Ok(None);
        };
        let revision = view.value(&keys::revision(&account)).await?.unwrap_or_default();
        let Some(user) = records::find(&view, &account, Kind::User, &key.user).await? else {
            return Ok(None);
        };
        let Some(arn) = user.arn(&account).parse().ok().filter(|_| user.id == key.user_id) else {
            return Ok(None);
        };
        let known = Arc::new(KnownKey {
            secret: self.sessions.access_key_secret(id, &key.salt),
            principal: Principal::Identity {
                arn,
                id: key.user_id,
                session: None,
            },
            active: key.active,
        });
        let dated = Dated {
            account: account.clone(),
            revision: revision.clone(),
            what: Arc::clone(&known),
        };
        let mut remembered = self.remembered();
        remembered.learn(forgotten, &account, &revision, read);
        remember(&mut remembered.keys, id, Arc::new(dated));
        Ok(Some(known))
    }

    /// The session policy with this text, read once. Denies everything when it cannot be read, which was checked when the
    /// session was made.
    fn session_policy(&self, text: &str) -> Arc<Policy> {
        if let Some(policy) = self.remembered().parsed.get(text) {
            return policy.clone();
        }
        let policy = Arc::new(Policy::parse_identity(text).unwrap_or_else(|_| Policy::deny_all()));
        remember(&mut self.remembered().parsed, text, policy.clone());
        policy
    }
}

/// The account that an access key of a user belongs to.
pub(crate) async fn key_account(store: &Store, id: &str) -> Result<Option<String>> {
    let key: Option<AccessKey> = store.snapshot().await?.record(&keys::access_key(id)).await?;
    Ok(key.map(|key| key.account))
}

/// Whether `account` can use the managed policy with this ARN.
pub(crate) async fn policy_exists(store: &Store, account: &AccountId, arn: &str) -> Result<bool> {
    Ok(load::managed(&store.snapshot().await?, account, arn).await?.is_some())
}

#[cfg(test)]
mod tests;
