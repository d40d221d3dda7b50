//! From records to what decisions are made with.

use super::{Directory, KnownIdentity};
use crate::authorizer::{Held, IdentityPolicySource};
use crate::policy::Policy;
use crate::records::{self, Identity, Kind, ManagedPolicy, View};
use crate::{Result, aws_managed, keys};
use async_trait::async_trait;
use danbi_core::{AccountId, Arn, Principal, ServiceError, Session};
use std::sync::Arc;

/// The policy in `document`; one that denies everything when it cannot be read, because it may hold a deny.
fn parse(document: &str, whose: &str) -> Arc<Policy> {
    Arc::new(Policy::parse_identity(document).unwrap_or_else(|error| {
        tracing::error!(whose, %error, "a stored policy cannot be read");
        Policy::deny_all()
    }))
}

/// The managed policy with this ARN, as it counts now.
pub(super) async fn managed(view: &impl View, account: &AccountId, arn: &str) -> Result<Option<Arc<Policy>>> {
    if let Some(managed) = aws_managed::find(arn) {
        return Ok(Some(managed.parsed()));
    }
    let name = arn.rsplit('/').next().unwrap_or_default();
    let found: Option<ManagedPolicy> = view.record(&keys::policy(account, name)).await?;
    let found = found.filter(|found| found.arn(account) == arn);
    Ok(found.and_then(|found| Some(parse(found.document()?, arn))))
}

/// A user or role with everything that bears on what it may do.
pub(super) async fn identity(view: &impl View, account: &AccountId, of: &Identity) -> Result<KnownIdentity> {
    let arn = of.arn(account);
    let mut policies = Vec::new();
    own(view, account, of, &mut policies).await?;
    for group in &of.groups {
        if let Some(group) = records::find(view, account, Kind::Group, group).await? {
            own(view, account, &group, &mut policies).await?;
        }
    }
    let boundary = match &of.boundary {
        // A boundary that is not there bounds everything.
        Some(boundary) => Some(
            managed(view, account, boundary)
                .await?
                .unwrap_or_else(|| Arc::new(Policy::deny_all())),
        ),
        None => None,
    };
    let role = of.role.as_ref();
    let trust = role
        .map(|role| Policy::parse_trust(&role.trust).map(Arc::new))
        .transpose();
    Ok(KnownIdentity {
        identity: policies,
        boundary,
        tags: of.tags.clone(),
        id: of.id.clone(),
        trust: trust.unwrap_or_else(|error| {
            tracing::error!(whose = arn, %error, "a stored trust policy cannot be read");
            None
        }),
        max_session: role.map_or(0, |role| role.max_session),
        arn: Some(arn),
    })
}

/// The inline and attached policies of a user, group or role.
async fn own(view: &impl View, account: &AccountId, of: &Identity, policies: &mut Vec<Arc<Policy>>) -> Result<()> {
    let arn = of.arn(account);
    policies.extend(of.inline.values().map(|document| parse(document, &arn)));
    for attached in &of.attached {
        policies.extend(managed(view, account, attached).await?);
    }
    Ok(())
}

impl Directory {
    /// The policies that limit a session.
    async fn session_policies(&self, account: &AccountId, session: &Session) -> Result<Vec<Arc<Policy>>> {
        let mut policies: Vec<_> = session.policies.iter().map(|text| self.session_policy(text)).collect();
        if !session.policy_arns.is_empty() {
            let view = self.store.snapshot().await?;
            for arn in &session.policy_arns {
                // One that is gone allows nothing, and its limit stays.
                let found = managed(&view, account, arn).await?;
                policies.push(found.unwrap_or_else(|| Arc::new(Policy::allow_nothing())));
            }
        }
        Ok(policies)
    }

    async fn held(&self, principal: &Principal) -> Result<Held> {
        let Principal::Identity { arn, session, .. } = principal else {
            return Ok(Held::default());
        };
        let Some(session) = session else {
            let own = self.identity(principal).await?;
            return Ok(Held {
                own: own.unwrap_or_default(),
                session: Vec::new(),
            });
        };
        let policies = match arn.account.parse() {
            Ok(account) => self.session_policies(&account, session).await?,
            Err(_) => vec![Arc::new(Policy::deny_all())],
        };
        let own = match &session.made_by {
            None => self.identity(principal).await?,
            // A federated user may do what its maker may and its session policies say; without any, nothing.
            Some(_) if policies.is_empty() => None,
            Some(maker) => self.maker(maker).await?,
        };
        Ok(Held {
            own: own.unwrap_or_default(),
            session: policies,
        })
    }

    /// The user that made a federated user's session: the policies are the maker's, the ARN and the tags are not.
    async fn maker(&self, maker: &str) -> Result<Option<Arc<KnownIdentity>>> {
        let Some((arn, id)) = maker.rsplit_once(' ') else {
            return Ok(None);
        };
        let Ok(arn) = arn.parse::<Arn>() else { return Ok(None) };
        let known = match arn.resource.as_str() {
            "root" => Some(KnownIdentity {
                identity: vec![Arc::new(Policy::allow_all())],
                ..KnownIdentity::default()
            }),
            _ => {
                let principal = Principal::Identity {
                    arn,
                    id: id.to_owned(),
                    session: None,
                };
                self.identity(&principal).await?.map(|known| KnownIdentity {
                    identity: known.identity.clone(),
                    boundary: known.boundary.clone(),
                    ..KnownIdentity::default()
                })
            }
        };
        Ok(known.map(Arc::new))
    }
}

#[async_trait]
impl IdentityPolicySource for Directory {
    async fn policies(&self, principal: &Principal) -> std::result::Result<Held, ServiceError> {
        Ok(self.held(principal).await?)
    }

    async fn used(&self, access_key_id: &str, service: &str, region: &str) {
        self.note_use(access_key_id, service, region).await;
    }
}
