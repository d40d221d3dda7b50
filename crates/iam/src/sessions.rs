//! Temporary credentials that carry their own proof.
//!
//! A session token is `base64(version ‖ claims ‖ HMAC-SHA256(token key, version ‖ claims))`; the claims name the access
//! key id, whom the session speaks for, its policies and tags, and its end. The secret is
//! `HMAC-SHA256(secret key, version ‖ claims)`. Both keys come from one server key in the store, so every node of a
//! platform can check what any of them issued, and nothing is stored for a session. Who holds the token without the
//! secret cannot sign; who changes the token has none.
//!
//! The secrets of users' access keys are made the same way, from a third key, the access key's id and a random salt that
//! its record keeps, so that no record holds a secret.

use crate::{IamError, random};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use danbi_core::{Arn, Clock, Credential, Principal, SecretKey, Session, SessionCredentials, Timestamp};
use danbi_store::Store;
use danbi_store::key::KeyBuilder;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a function's session lives: 12 hours, as long as AWS lets a role's session be.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// The most bytes of a session's policies and tags; what `PackedPolicySize` is a percentage of.
pub(crate) const MAX_PACKED: usize = 6144;

/// The first byte of every token.
const VERSION: u8 = 2;
/// No token of ours is longer: policies and tags, written as JSON in base64, and some room.
const MAX_TOKEN_CHARS: usize = 16 * 1024;
const MAC_BYTES: usize = 32;

/// Issues and checks sessions. Cheap to share.
pub struct Sessions {
    token_key: Hmac<Sha256>,
    secret_key: Hmac<Sha256>,
    access_key: Hmac<Sha256>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(…)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    /// The access key id.
    k: String,
    /// Whom the session speaks for: an ARN.
    a: String,
    /// Its unique id.
    i: String,
    /// The end, milliseconds since the epoch.
    e: i64,
    /// What the session brings along.
    s: Session,
}

impl Sessions {
    /// Opens the server key that `store` keeps, making it on the first start.
    ///
    /// # Errors
    /// [`IamError::Store`], [`IamError::Random`].
    pub async fn open(store: &Store, clock: Arc<dyn Clock>) -> Result<Self, IamError> {
        let place = KeyBuilder::new().str("iam").str("session-key").build();
        let fresh = random::bytes::<32>()?;
        let key = store
            .transact(async |tx| {
                if let Some(key) = tx.get(&place).await? {
                    return Ok(key.to_vec());
                }
                tx.put(&place, fresh.to_vec())?;
                Ok::<_, IamError>(fresh.to_vec())
            })
            .await?;
        Ok(Self::with_key(&key, clock))
    }

    fn with_key(key: &[u8], clock: Arc<dyn Clock>) -> Self {
        let subkey = |purpose: &[u8]| keyed(&tag(&keyed(key), &[purpose]));
        Self {
            token_key: subkey(b"danbi session token v1"),
            secret_key: subkey(b"danbi session secret v1"),
            access_key: subkey(b"danbi access key v1"),
            clock,
        }
    }

    /// Issues credentials that speak for `principal` and end after `lifetime`. Those of an identity carry its session.
    ///
    /// # Errors
    /// [`IamError::Session`] for a principal that has no credentials, and for a session that is too large;
    /// [`IamError::Random`].
    pub fn issue(&self, principal: &Principal, lifetime: Duration) -> Result<SessionCredentials, IamError> {
        let (arn, id, session) = match principal {
            Principal::Root(account) => (format!("arn:aws:iam::{account}:root"), account.to_string(), None),
            Principal::Identity { arn, id, session } => (arn.to_string(), id.clone(), session.as_deref()),
            Principal::Service(_) | Principal::Anonymous => {
                return Err(IamError::Session("Only users and roles have sessions.".into()));
            }
        };
        let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        let now = self.clock.now();
        let expires = now.plus_millis(lifetime);
        let access_key_id = random::id("ASIA", 16)?;
        let claims = Claims {
            k: access_key_id.clone(),
            a: arn,
            i: id,
            e: expires.as_millis(),
            s: session.cloned().unwrap_or_else(|| Session {
                issued: now,
                ..Session::default()
            }),
        };
        let mut token = vec![VERSION];
        // Cannot fail: plain members serialise into memory.
        #[allow(clippy::expect_used)]
        serde_json::to_writer(&mut token, &claims).expect("claims are plain text");
        let secret = self.secret(&token);
        let mac = tag(&self.token_key, &[&token]);
        token.extend_from_slice(&mac);
        let session_token = BASE64_STANDARD.encode(token);
        if session_token.len() > MAX_TOKEN_CHARS {
            return Err(IamError::Session(
                "The session's policies and tags are too large.".into(),
            ));
        }
        Ok(SessionCredentials {
            access_key_id,
            secret,
            session_token,
            expires,
            warning: None,
        })
    }

    /// The credential that `access_key_id` and `token` stand for, ended or not; `None` when the token is not one of ours
    /// or belongs to another key. Compares in constant time.
    pub fn credential(&self, access_key_id: &str, token: &str) -> Option<Credential> {
        if token.len() > MAX_TOKEN_CHARS {
            return None;
        }
        let bytes = BASE64_STANDARD.decode(token).ok()?;
        let (signed, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        let mut expected = self.token_key.clone();
        expected.update(signed);
        expected.verify_slice(mac).ok()?;
        let (version, claims) = signed.split_first()?;
        if *version != VERSION {
            return None;
        }
        let claims: Claims = serde_json::from_slice(claims).ok()?;
        if claims.k != access_key_id {
            return None;
        }
        let arn: Arn = claims.a.parse().ok()?;
        let principal = match arn.resource.as_str() {
            "root" => Principal::Root(arn.account.parse().ok()?),
            _ => Principal::Identity {
                arn,
                id: claims.i,
                session: Some(Arc::new(claims.s)),
            },
        };
        Some(Credential {
            secret: self.secret(signed),
            principal,
            expires: Some(Timestamp::from_millis(claims.e)),
        })
    }

    /// The secret of a user's access key.
    pub(crate) fn access_key_secret(&self, access_key_id: &str, salt: &str) -> SecretKey {
        // Ids have no zero bytes, so the two parts cannot be told apart wrongly.
        short(&tag(
            &self.access_key,
            &[access_key_id.as_bytes(), b"\0", salt.as_bytes()],
        ))
    }

    fn secret(&self, signed: &[u8]) -> SecretKey {
        short(&tag(&self.secret_key, &[signed]))
    }
}

/// 30 bytes are 40 characters of base64, as long as AWS's secrets.
fn short(tag: &[u8; MAC_BYTES]) -> SecretKey {
    SecretKey::new(BASE64_STANDARD_NO_PAD.encode(&tag[..30]))
}

/// Who acts in the session `name` of `role`, whose unique id is `id`.
///
/// # Errors
/// [`IamError::Session`] when `role` is not a role's ARN or the name is not 2 to 64 of AWS's characters (`[\w+=,.@-]`).
pub(crate) fn role_principal(role: &Arn, id: &str, name: &str, session: Arc<Session>) -> Result<Principal, IamError> {
    let role_name = role_name(role).ok_or_else(|| IamError::Session(format!("{role} is invalid")))?;
    if !is_session_name(name) {
        return Err(IamError::Session(format!(
            "1 validation error detected: Value '{}' at 'roleSessionName' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: [\\w+=,.@-]*",
            name.chars().take(64).collect::<String>()
        )));
    }
    let arn = Arn {
        partition: role.partition.clone(),
        service: "sts".into(),
        region: String::new(),
        account: role.account.clone(),
        resource: format!("assumed-role/{role_name}/{name}"),
    };
    Ok(Principal::Identity {
        arn,
        id: format!("{id}:{name}"),
        session: Some(session),
    })
}

/// An id for a role that does not exist: no role ever has it, so a session with it has no policies even when the role is
/// made later.
pub(crate) fn unknown_role(role: &Arn) -> String {
    random::id_from("AROA", 17, &Sha256::digest(role.to_string()))
}

/// The name in `arn:aws:iam::ACCOUNT:role/path/NAME`.
fn role_name(role: &Arn) -> Option<&str> {
    let path = role.resource.strip_prefix("role/")?;
    let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
    (role.service == "iam" && role.account.len() == 12).then_some(name)
}

fn is_session_name(name: &str) -> bool {
    let grammar = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(grammar)
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // Cannot fail: HMAC takes keys of every length.
    #[allow(clippy::expect_used)]
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

fn tag(key: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; MAC_BYTES] {
    let mut mac = key.clone();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::SystemClock;
    use danbi_store::EmbeddedOptions;

    const ROLE: &str = "arn:aws:iam::000000000000:role/service/worker";

    fn sessions(key: u8) -> Sessions {
        Sessions::with_key(&[key; 32], Arc::new(SystemClock))
    }

    fn worker(name: &str) -> Result<Principal, IamError> {
        let role: Arn = ROLE.parse().unwrap();
        role_principal(&role, &unknown_role(&role), name, Arc::default())
    }

    fn issue(sessions: &Sessions) -> SessionCredentials {
        sessions.issue(&worker("resize").unwrap(), SESSION_LIFETIME).unwrap()
    }

    #[test]
    fn a_session_speaks_for_its_role() {
        let sessions = sessions(1);
        let issued = issue(&sessions);
        assert!(issued.access_key_id.starts_with("ASIA") && issued.access_key_id.len() == 20);
        let found = sessions
            .credential(&issued.access_key_id, &issued.session_token)
            .unwrap();
        assert_eq!(found.secret, issued.secret);
        assert_eq!(found.secret.expose().len(), 40);
        assert_eq!(found.expires, Some(issued.expires));
        assert_eq!(
            found.principal.arn().unwrap(),
            "arn:aws:sts::000000000000:assumed-role/worker/resize"
        );
        let Principal::Identity { id, .. } = found.principal else {
            panic!("an identity")
        };
        assert!(id.starts_with("AROA") && id.ends_with(":resize") && id.len() == 21 + 7);
    }

    #[test]
    fn no_changed_token_is_believed() {
        let sessions = sessions(1);
        let issued = issue(&sessions);
        let bytes = BASE64_STANDARD.decode(&issued.session_token).unwrap();
        for index in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[index] ^= 1;
            assert!(
                sessions
                    .credential(&issued.access_key_id, &BASE64_STANDARD.encode(bad))
                    .is_none(),
                "byte {index}"
            );
        }
        for length in 0..bytes.len() {
            assert!(
                sessions
                    .credential(&issued.access_key_id, &BASE64_STANDARD.encode(&bytes[..length]))
                    .is_none()
            );
        }
        assert!(sessions.credential("ASIAOTHER", &issued.session_token).is_none());
        assert!(
            super::tests::sessions(2)
                .credential(&issued.access_key_id, &issued.session_token)
                .is_none()
        );
        assert!(
            sessions
                .credential(&issued.access_key_id, &"A".repeat(10_000))
                .is_none()
        );
    }

    #[test]
    fn only_roles_and_well_formed_names_have_sessions() {
        for role in [
            "arn:aws:iam::000000000000:user/u",
            "arn:aws:iam::000000000000:role/",
            "arn:aws:s3:::role/r",
        ] {
            let role: Arn = role.parse().unwrap();
            assert!(role_principal(&role, "AROA", "s", Arc::default()).is_err(), "{role}");
        }
        for name in ["", "a b", "a/b", &"x".repeat(65)] {
            assert!(worker(name).is_err(), "{name}");
        }
        assert!(sessions(1).issue(&Principal::Anonymous, SESSION_LIFETIME).is_err());
    }

    #[test]
    fn a_session_brings_its_policies_and_tags_along() {
        let (sessions, role) = (sessions(1), ROLE.parse().unwrap());
        let session = Arc::new(Session {
            issued: Timestamp::from_millis(7),
            policies: vec!["{}".into()],
            tags: [("team".to_owned(), "blue".to_owned())].into(),
            chained: true,
            ..Session::default()
        });
        let principal = role_principal(&role, "AROAX", "s", session).unwrap();
        let issued = sessions.issue(&principal, SESSION_LIFETIME).unwrap();
        let found = sessions
            .credential(&issued.access_key_id, &issued.session_token)
            .unwrap();
        assert_eq!(found.principal, principal);
    }

    #[test]
    fn the_secret_of_an_access_key_is_made_again_and_differs_by_key_and_salt() {
        let secret = |key, id, salt| sessions(key).access_key_secret(id, salt);
        assert_eq!(secret(1, "AKIA1", "00"), secret(1, "AKIA1", "00"));
        for other in [
            secret(2, "AKIA1", "00"),
            secret(1, "AKIA2", "00"),
            secret(1, "AKIA1", "01"),
        ] {
            assert_ne!(secret(1, "AKIA1", "00"), other);
        }
        assert_eq!(secret(1, "AKIA1", "00").expose().len(), 40);
    }

    #[tokio::test]
    async fn sessions_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Store::open_embedded(dir.path(), EmbeddedOptions::default()).unwrap();
        let store = open();
        let issued = issue(&Sessions::open(&store, Arc::new(SystemClock)).await.unwrap());
        store.close().await;
        drop(store);
        let store = open();
        let sessions = Sessions::open(&store, Arc::new(SystemClock)).await.unwrap();
        assert!(
            sessions
                .credential(&issued.access_key_id, &issued.session_token)
                .is_some()
        );
        store.close().await;
    }
}
