use crate::{RootCredentials, Sessions};
use async_trait::async_trait;
use danbi_core::{AccountId, Credential, CredentialSource, Principal, ServiceError};
use std::sync::Arc;

/// All credentials of the platform: the root keys of its accounts and the sessions.
#[derive(Debug)]
pub struct Credentials {
    root: RootCredentials,
    account: AccountId,
    sessions: Arc<Sessions>,
}

impl Credentials {
    /// Keys of `root` that name no account speak for the root of `account`.
    pub fn new(root: RootCredentials, account: AccountId, sessions: Arc<Sessions>) -> Self {
        Self {
            root,
            account,
            sessions,
        }
    }
}

#[async_trait]
impl CredentialSource for Credentials {
    async fn credential(&self, access_key_id: &str, token: Option<&str>) -> Result<Option<Credential>, ServiceError> {
        Ok(match token {
            None => {
                let key = self.root.keys().find(|key| key.access_key_id == access_key_id);
                key.map(|key| Credential {
                    secret: key.secret.clone(),
                    principal: Principal::Root(key.account.as_ref().unwrap_or(&self.account).clone()),
                    expires: None,
                })
            }
            Some(token) => self.sessions.credential(access_key_id, token),
        })
    }
}
