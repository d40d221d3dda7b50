//! Temporary credentials that carry their own proof.
//!
//! A session token is `base64(version ‖ claims ‖ HMAC-SHA256(token key, version ‖ claims))`; the claims name the access
//! key id, role, session name and end. The secret is `HMAC-SHA256(secret key, version ‖ claims)`. Both keys come from
//! one server key in the store, so every node of a platform can check what any of them issued, and nothing is stored
//! for a session. Who holds the token without the secret cannot sign; who changes the token has none.

use crate::{IamError, random};
use async_trait::async_trait;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use danbi_core::{
    Arn, Clock, Credential, Principal, RoleCredentials, SecretKey, ServiceError, SessionCredentials, Timestamp,
};
use danbi_store::Store;
use danbi_store::key::KeyBuilder;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a session lives: 12 hours, as long as AWS lets a role's session be.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// The first byte of every token.
const VERSION: u8 = 1;
/// No token of ours is longer.
const MAX_TOKEN_CHARS: usize = 4096;
const MAC_BYTES: usize = 32;

/// Issues and checks sessions. Cheap to share.
pub struct Sessions {
    token_key: Hmac<Sha256>,
    secret_key: Hmac<Sha256>,
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
    /// The role's ARN.
    r: String,
    /// The session's name.
    n: String,
    /// The end, milliseconds since the epoch.
    e: i64,
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
            clock,
        }
    }

    /// Issues credentials for a session of `role` that ends after `lifetime`.
    ///
    /// # Errors
    /// [`IamError::Session`] when `role` is not a role's ARN or the name is not 1 to 64 of AWS's characters
    /// (`[\w+=,.@-]`); [`IamError::Random`].
    pub fn issue(&self, role: &Arn, session_name: &str, lifetime: Duration) -> Result<SessionCredentials, IamError> {
        role_name(role).ok_or_else(|| IamError::Session(format!("{role} is invalid")))?;
        if !is_session_name(session_name) {
            return Err(IamError::Session(format!(
                "1 validation error detected: Value '{}' at 'roleSessionName' failed to satisfy constraint: Member must \
                 satisfy regular expression pattern: [\\w+=,.@-]*",
                session_name.chars().take(64).collect::<String>()
            )));
        }
        let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        let expires = self.clock.now().plus_millis(lifetime);
        let access_key_id = random::id("ASIA", 16)?;
        let claims = Claims {
            k: access_key_id.clone(),
            r: role.to_string(),
            n: session_name.into(),
            e: expires.as_millis(),
        };
        let mut token = vec![VERSION];
        // Cannot fail: four plain members serialise into memory.
        #[allow(clippy::expect_used)]
        serde_json::to_writer(&mut token, &claims).expect("claims are plain text");
        let secret = self.secret(&token);
        let mac = tag(&self.token_key, &[&token]);
        token.extend_from_slice(&mac);
        Ok(SessionCredentials {
            access_key_id,
            secret,
            session_token: BASE64_STANDARD.encode(token),
            expires,
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
        let principal = principal(&claims.r.parse().ok()?, &claims.n)?;
        let expires = Some(Timestamp::from_millis(claims.e));
        Some(Credential {
            secret: self.secret(signed),
            principal,
            expires,
        })
    }

    fn secret(&self, signed: &[u8]) -> SecretKey {
        // 30 bytes are 40 characters of base64, as long as AWS's secrets.
        SecretKey::new(BASE64_STANDARD_NO_PAD.encode(&tag(&self.secret_key, &[signed])[..30]))
    }
}

#[async_trait]
impl RoleCredentials for Sessions {
    async fn assume(&self, role: &Arn, session_name: &str) -> Result<SessionCredentials, ServiceError> {
        Ok(self.issue(role, session_name, SESSION_LIFETIME)?)
    }
}

/// Who acts in the session `name` of `role`.
fn principal(role: &Arn, name: &str) -> Option<Principal> {
    let role_name = role_name(role)?;
    let arn = Arn {
        partition: role.partition.clone(),
        service: "sts".into(),
        region: String::new(),
        account: role.account.clone(),
        resource: format!("assumed-role/{role_name}/{name}"),
    };
    let hash = Sha256::digest(role.to_string());
    Some(Principal::Identity {
        arn,
        id: format!("{}:{name}", random::id_from("AROA", 17, &hash)),
    })
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

    fn issue(sessions: &Sessions) -> SessionCredentials {
        sessions
            .issue(&ROLE.parse().unwrap(), "resize", SESSION_LIFETIME)
            .unwrap()
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
        let sessions = sessions(1);
        for role in [
            "arn:aws:iam::000000000000:user/u",
            "arn:aws:iam::000000000000:role/",
            "arn:aws:s3:::role/r",
        ] {
            assert!(
                sessions.issue(&role.parse().unwrap(), "s", SESSION_LIFETIME).is_err(),
                "{role}"
            );
        }
        for name in ["", "a b", "a/b", &"x".repeat(65)] {
            assert!(
                sessions.issue(&ROLE.parse().unwrap(), name, SESSION_LIFETIME).is_err(),
                "{name}"
            );
        }
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
