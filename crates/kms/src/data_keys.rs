//! Data keys for other services, in the name of their callers.

use crate::ciphertext::{self, EncryptionContext};
use crate::error::{Error, Result};
use crate::names::{self, KeyName};
use crate::operations::{data_keys, encrypt};
use crate::record::Key;
use crate::{Kms, access, authority, catalog, managed};
use async_trait::async_trait;
use danbi_core::{Access, DataKey, DataKeys, KeyUse, PlainDataKey, RequestContext, Scope, ServiceError};
use zeroize::Zeroizing;

/// What the authorizer is asked for a service that works for its caller.
fn asked(context: &RequestContext, action: &'static str, arn: &str, usage: &KeyUse<'_>) -> Access {
    let via = format!("{}.{}.amazonaws.com", usage.service, context.scope.region);
    let mut asked = Access::new(action, arn)
        .with("kms:ViaService", via)
        .with("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
    for (name, value) in usage.encryption_context {
        asked = asked.with(format!("{}{name}", authority::CONTEXT), value);
        asked = asked.with("kms:EncryptionContextKeys", name);
    }
    asked
}

impl Kms {
    async fn key_for(&self, context: &RequestContext, key: Option<&str>, usage: &KeyUse<'_>) -> Result<(Scope, Key)> {
        let alias = match key {
            None => format!("{}{}", names::MANAGED, usage.service),
            Some(named) => match KeyName::parse(context, named)? {
                KeyName::Alias(scope, alias) if scope == context.scope && managed::service_of(&alias).is_some() => {
                    alias
                }
                name => {
                    return match catalog::find(&self.snapshot().await?, &name).await {
                        Ok(found) => Ok(found),
                        Err(error) => {
                            // Whoever may not use keys learns nothing of those that there are.
                            let access = asked(context, "kms:GenerateDataKey", &name.arn(), usage);
                            self.ask(context, access).await?;
                            Err(error)
                        }
                    };
                }
            },
        };
        let service = managed::service_of(&alias).ok_or_else(|| Error::not_built(&format!("A key for {alias}")))?;
        let key = self.managed(&context.scope, service).await?;
        Ok((context.scope.clone(), key))
    }

    async fn generated(&self, context: &RequestContext, key: Option<&str>, usage: KeyUse<'_>) -> Result<DataKey> {
        const ACTION: &str = "kms:GenerateDataKey";
        let (scope, key) = self.key_for(context, key, &usage).await?;
        let arn = key.arn(&scope);
        self.ask(context, asked(context, ACTION, &arn, &usage)).await?;
        data_keys::check(self, &scope, &key, "GenerateDataKey", usage.encryption_context)?;
        let mut plain = Zeroizing::new([0; 32]);
        getrandom::fill(&mut plain[..]).map_err(|_| Error::Computation("drawing random bytes"))?;
        let sealed = encrypt::seal_data(self, &scope, &key, &plain[..], usage.encryption_context)?;
        Ok(DataKey {
            key_arn: arn,
            plain: PlainDataKey::new(*plain),
            sealed,
        })
    }

    async fn decrypted(&self, context: &RequestContext, sealed: &[u8], usage: KeyUse<'_>) -> Result<PlainDataKey> {
        let parsed = ciphertext::parse(sealed).ok_or_else(Error::invalid_ciphertext)?;
        // What a service keeps may be read from another region than it was written from: the key stays where it is.
        let arn: danbi_core::Arn = parsed.key_arn.parse().map_err(|_| Error::invalid_ciphertext())?;
        let there = RequestContext {
            scope: Scope {
                account: context.scope.account.clone(),
                region: arn.scope().ok_or_else(Error::invalid_ciphertext)?.region,
            },
            ..context.clone()
        };
        let arn = access::key_of(&there, parsed.key_arn).ok_or_else(Error::invalid_ciphertext)?;
        self.ask(&there, asked(&there, "kms:Decrypt", &arn, &usage)).await?;
        let bound: &EncryptionContext = usage.encryption_context;
        let opened = encrypt::open(self, &there, Some(&arn), "SYMMETRIC_DEFAULT", sealed, bound, "Decrypt").await?;
        let bytes: [u8; 32] = opened.plain[..].try_into().map_err(|_| Error::invalid_ciphertext())?;
        Ok(PlainDataKey::new(bytes))
    }
}

#[async_trait]
impl DataKeys for Kms {
    async fn generate(
        &self,
        context: &RequestContext,
        key: Option<&str>,
        usage: KeyUse<'_>,
    ) -> Result<DataKey, ServiceError> {
        Ok(self.generated(context, key, usage).await?)
    }

    async fn decrypt(
        &self,
        context: &RequestContext,
        sealed: &[u8],
        usage: KeyUse<'_>,
    ) -> Result<PlainDataKey, ServiceError> {
        Ok(self.decrypted(context, sealed, usage).await?)
    }
}
