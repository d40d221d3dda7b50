use crate::{AccountId, Arn, RequestContext, ResourceSide, ServiceError, Session};
use async_trait::async_trait;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The account's root: may do everything in its own account.
    Root(AccountId),
    /// An IAM user or an assumed role, by its ARN (`arn:aws:iam::…:user/u`, `arn:aws:sts::…:assumed-role/r/session`).
    Identity {
        /// The ARN.
        arn: Arn,
        /// The unique id (`AIDA…`, `AROA…:session`).
        id: String,
        /// What its temporary credentials say of it; `None` for a user's own keys.
        session: Option<Arc<Session>>,
    },
    /// Another service of the platform acting for itself, such as `s3.amazonaws.com`.
    Service(String),
    /// Nobody: the request bears no signature. May do what a resource policy grants to everyone.
    Anonymous,
}

impl Principal {
    /// The ARN by which policies know the principal.
    pub fn arn(&self) -> Option<String> {
        match self {
            Self::Root(account) => Some(format!("arn:aws:iam::{account}:root")),
            Self::Identity { arn, .. } => Some(arn.to_string()),
            Self::Service(_) | Self::Anonymous => None,
        }
    }
}

/// One action on one resource: what IAM decides about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Such as `lambda:InvokeFunction`.
    pub action: &'static str,
    /// The resource's ARN, or `*` for actions that name none.
    pub resource: String,
    /// Condition keys that this action adds, such as `lambda:FunctionUrlAuthType` or `s3:RequestObjectTag/team`.
    pub conditions: BTreeMap<Cow<'static, str>, Vec<String>>,
}

impl Access {
    /// `action` on the resource with this ARN.
    pub fn new(action: &'static str, resource: impl ToString) -> Self {
        Self {
            action,
            resource: resource.to_string(),
            conditions: BTreeMap::new(),
        }
    }

    /// `action` that names no resource (lists, account settings).
    pub fn any(action: &'static str) -> Self {
        Self::new(action, "*")
    }

    /// Adds a condition key.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.conditions.entry(key.into()).or_default().push(value.into());
        self
    }
}

/// One access is a list of one: what asks for several at once (a batch over tables) gives a `Vec`.
impl IntoIterator for Access {
    type Item = Self;
    type IntoIter = std::iter::Once<Self>;
    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}

/// Decides whether a request may do what it asks. Implemented by `iam`.
#[async_trait]
pub trait Authorizer: Send + Sync + 'static {
    /// `Ok` when allowed; otherwise AWS's `AccessDeniedException` (403) with its message: `User: ARN is not authorized
    /// to perform: ACTION on resource: ARN because …`.
    async fn authorize(&self, context: &RequestContext, access: &Access) -> Result<(), ServiceError>;
}

/// Gives the resource's side of a decision to the authorizer. Implemented by each service whose resources have policies.
#[async_trait]
pub trait ResourcePolicySource: Send + Sync + 'static {
    /// The policy document (JSON text) attached to the resource with this ARN, if there is one.
    async fn resource_policy(&self, resource: &Arn) -> Result<Option<String>, ServiceError>;

    /// All that the service knows of who may do `access`. Services with nothing but policies keep this one.
    ///
    /// # Errors
    /// What the caller is answered instead of a decision: that the resource does not exist, where a service says so to
    /// everybody.
    async fn resource_side(&self, _context: &RequestContext, access: &Access) -> Result<ResourceSide, ServiceError> {
        let Ok(arn) = access.resource.parse::<Arn>() else {
            return Ok(ResourceSide::default());
        };
        let policy = self.resource_policy(&arn).await?;
        Ok(ResourceSide {
            policy: policy.map(Into::into),
            ..ResourceSide::default()
        })
    }
}

/// What one policy document says by itself, without an account or a caller around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement allows it, and none forbids it.
    Allowed,
    /// A statement forbids it.
    Denied,
    /// No statement is about it.
    Silent,
}

/// Tells services that keep policy documents whether a document is one. Implemented by `iam`.
pub trait PolicyLanguage: Send + Sync + 'static {
    /// Whether `text` is a resource-based policy that can be decided with.
    ///
    /// # Errors
    /// What is wrong with it, in IAM's words.
    fn check_resource_policy(&self, text: &str) -> Result<(), String>;

    /// Whether the resource-based policy `text` lets the caller do `access`, or leaves that to the caller's account: what
    /// keeps a policy from locking out the one who sets it. `false` for what is no policy.
    fn lets_caller(&self, text: &str, context: &RequestContext, access: &Access) -> bool;

    /// What `document` says by itself about `action` on `resource`: how API Gateway reads what an authorizer function
    /// answers. `conditions` are the condition keys that are known, by name.
    ///
    /// # Errors
    /// What is wrong with the document, in IAM's words.
    fn judge(
        &self,
        document: &str,
        action: &str,
        resource: &str,
        conditions: &[(&str, String)],
    ) -> Result<Verdict, String>;
}
