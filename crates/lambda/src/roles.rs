//! Which role a function may be given.

use crate::Error;
use crate::lambda::Lambda;
use danbi_core::{Access, Arn, RequestContext};

impl Lambda {
    /// Refuses a role that is another account's, that is none, or that the caller may not pass to Lambda.
    ///
    /// Without this, who may create functions could make one that acts as anybody.
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html>, `iam:PassRole`.
    pub(crate) async fn pass_role(&self, context: &RequestContext, role: &str) -> Result<(), Error> {
        let cannot_be_assumed =
            || Error::InvalidParameter("The role defined for the function cannot be assumed by Lambda.".into());
        let arn: Arn = role.parse().map_err(|_| cannot_be_assumed())?;
        if arn.account != context.scope.account.as_str() {
            return Err(Error::CrossAccountRole);
        }
        let name = arn
            .resource
            .strip_prefix("role/")
            .and_then(|path| path.rsplit('/').next());
        if name.is_none_or(str::is_empty) {
            return Err(cannot_be_assumed());
        }
        let access = Access::new("iam:PassRole", &arn).with("iam:PassedToService", "lambda.amazonaws.com");
        Ok(self.authorizer.authorize(context, &access).await?)
    }
}
