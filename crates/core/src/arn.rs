use crate::{AccountId, Region, Scope};
use std::fmt;
use std::str::FromStr;

/// An Amazon Resource Name, `arn:partition:service:region:account:resource`.
///
/// `region` and `account` stay text because global services leave them empty (`arn:aws:iam::123456789012:role/r`).
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arn {
    /// `aws`, or another partition that the client names.
    pub partition: String,
    /// The service's namespace, such as `lambda`.
    pub service: String,
    /// A region, or nothing for a global resource.
    pub region: String,
    /// An account id, or nothing (S3 buckets).
    pub account: String,
    /// Everything after the fifth colon, colons and slashes included.
    pub resource: String,
}

/// Text that is not an ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an ARN: expected arn:partition:service:region:account:resource")]
pub struct ArnError(pub String);

impl Arn {
    /// An ARN in the `aws` partition for a resource of `scope`.
    pub fn new(service: &str, scope: &Scope, resource: impl Into<String>) -> Self {
        Self {
            partition: "aws".into(),
            service: service.into(),
            region: scope.region.as_str().into(),
            account: scope.account.as_str().into(),
            resource: resource.into(),
        }
    }

    /// The (account, region) that the ARN names, when it names both well.
    pub fn scope(&self) -> Option<Scope> {
        let account = AccountId::from_str(&self.account).ok()?;
        let region = Region::from_str(&self.region).ok()?;
        Some(Scope { account, region })
    }

    /// The URL of the queue that an ARN of SQS names: what its operations ask for.
    pub fn queue_url(&self) -> String {
        format!(
            "https://sqs.{}.amazonaws.com/{}/{}",
            self.region, self.account, self.resource
        )
    }
}

impl FromStr for Arn {
    type Err = ArnError;
    fn from_str(text: &str) -> Result<Self, ArnError> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().ok_or_else(|| ArnError(text.chars().take(2048).collect()));
        if next()? != "arn" {
            return Err(ArnError(text.chars().take(2048).collect()));
        }
        let arn = Self {
            partition: next()?.into(),
            service: next()?.into(),
            region: next()?.into(),
            account: next()?.into(),
            resource: next()?.into(),
        };
        if arn.partition.is_empty() || arn.service.is_empty() || arn.resource.is_empty() {
            return Err(ArnError(text.chars().take(2048).collect()));
        }
        Ok(arn)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            service,
            region,
            account,
            resource,
        } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl fmt::Debug for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_reads_as_it_is_written() {
        for text in [
            "arn:aws:lambda:us-east-1:000000000000:function:f:1",
            "arn:aws:s3:::bucket/key:with:colons",
        ] {
            assert_eq!(text.parse::<Arn>().unwrap().to_string(), text);
        }
        assert!("arn:aws:lambda".parse::<Arn>().is_err());
        assert!("urn:aws:lambda:r:a:x".parse::<Arn>().is_err());
    }
}
