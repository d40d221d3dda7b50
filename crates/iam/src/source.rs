use crate::{RootCredentials, Sessions};
use async_trait::async_trait;
use danbi_core::{AccountId, Credential, CredentialSource, Principal, ServiceError};
use std::sync::Arc;

/// All credentials of the account: the root key and the sessions.
#[derive(Debug)]
pub struct Credentials {
    root: RootCredentials,
    account: AccountId,
    sessions: Arc<Sessions>,
}

impl Credentials {
    /// `root` speaks for the root of `account`.
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
            None => (access_key_id == self.root.access_key_id).then(|| Credential {
                secret: self.root.secret.clone(),
                principal: Principal::Root(self.account.clone()),
                expires: None,
            }),
            Some(token) => self.sessions.credential(access_key_id, token),
        })
    }
}
