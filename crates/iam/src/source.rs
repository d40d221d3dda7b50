use crate::directory::Directory;
use crate::{RootCredentials, Sessions};
use async_trait::async_trait;
use danbi_core::{AccountId, Credential, CredentialSource, Principal, ServiceError};
use std::sync::Arc;

/// All credentials of the platform: the root keys of its accounts, the keys of their users, and the sessions.
#[derive(Debug)]
pub struct Credentials {
    root: RootCredentials,
    account: AccountId,
    sessions: Arc<Sessions>,
    directory: Arc<Directory>,
}

impl Credentials {
    /// Keys of `root` that name no account speak for the root of `account`.
    pub fn new(root: RootCredentials, account: AccountId, sessions: Arc<Sessions>, directory: Arc<Directory>) -> Self {
        Self {
            root,
            account,
            sessions,
            directory,
        }
    }
}

#[async_trait]
impl CredentialSource for Credentials {
    async fn credential(&self, access_key_id: &str, token: Option<&str>) -> Result<Option<Credential>, ServiceError> {
        let Some(token) = token else {
            let root = self.root.keys().find(|key| key.access_key_id == access_key_id);
            if let Some(key) = root {
                return Ok(Some(Credential {
                    secret: key.secret.clone(),
                    principal: Principal::Root(key.account.as_ref().unwrap_or(&self.account).clone()),
                    expires: None,
                }));
            }
            let known = self.directory.key(access_key_id).await?;
            return Ok(known.filter(|key| key.active).map(|key| Credential {
                secret: key.secret.clone(),
                principal: key.principal.clone(),
                expires: None,
            }));
        };
        Ok(self.sessions.credential(access_key_id, token))
    }
}
