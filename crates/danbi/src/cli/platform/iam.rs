//! The role that an app works as.

use super::client::{Call, encode};
use super::{Failure, Platform};
use danbi_core::AccountId;
use danbi_wire::sigv4::sha256;
use http::Method;
use serde_json::Value;

/// What a role that is made for an app may do: write the app's log. More is given to it like to any role of AWS.
const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
/// The longest name of a role.
const MAX_NAME: usize = 64;

/// `danbi-app-NAME`, with a digest in place of what is too long.
fn role_name(app: &str) -> String {
    let name = format!("danbi-app-{app}");
    if name.len() <= MAX_NAME {
        return name;
    }
    let digest = sha256(app.as_bytes());
    let mark = danbi_core::hex::encode(&digest[..4]);
    // App names are ASCII, so every cut is at a character.
    format!("{}-{mark}", &name[..MAX_NAME - 9])
}

impl Platform {
    async fn iam(&self, what: &str, action: &str, parameters: &[(&str, &str)]) -> Result<(), Failure> {
        let mut call = Call::new("iam", Method::POST, "/".into(), &Value::Null);
        let mut form = format!("Action={action}&Version=2010-05-08");
        for (name, value) in parameters {
            form.push_str(&format!("&{name}={}", encode(value)));
        }
        call.body = form.into();
        call.headers
            .push(("content-type", "application/x-www-form-urlencoded".into()));
        self.call(what, call).await.map(drop)
    }

    /// The ARN of the app's own role, which is made when it is not there. Who may not make roles deploys all the same, and
    /// the app then has no rights of its own until somebody makes it one.
    pub async fn app_role(&self, account: &AccountId, app: &str) -> Result<String, Failure> {
        let (what, name) = ("cannot make the app's role", role_name(app));
        let create = [("RoleName", name.as_str()), ("AssumeRolePolicyDocument", TRUST)];
        match self.iam(what, "CreateRole", &create).await {
            Ok(()) => {
                let attach = [("RoleName", name.as_str()), ("PolicyArn", BASIC)];
                self.iam(what, "AttachRolePolicy", &attach).await?;
            }
            Err(error) if error.is("EntityAlreadyExists") || error.is("AccessDenied") => {}
            Err(error) => return Err(error),
        }
        Ok(format!("arn:aws:iam::{account}:role/{name}"))
    }

    /// Removes the app's own role. One that was given further policies stays, because somebody cares for it.
    pub async fn delete_app_role(&self, app: &str) -> Result<(), Failure> {
        let (what, name) = ("cannot remove the app's role", role_name(app));
        let detach = [("RoleName", name.as_str()), ("PolicyArn", BASIC)];
        let kept = |error: &Failure| {
            let codes = ["NoSuchEntity", "DeleteConflict", "AccessDenied"];
            codes.iter().any(|code| error.is(code))
        };
        for (action, parameters) in [("DetachRolePolicy", &detach[..]), ("DeleteRole", &detach[..1])] {
            match self.iam(what, action, parameters).await {
                Err(error) if !kept(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_has_a_role_whose_name_fits() {
        assert_eq!(role_name("shop"), "danbi-app-shop");
        let (one, two) = (role_name(&"a".repeat(63)), role_name(&format!("{}b", "a".repeat(62))));
        assert_eq!((one.len(), two.len()), (64, 64));
        assert_ne!(one, two);
        assert_eq!(encode("a b/{"), "a%20b%2F%7B");
    }
}
