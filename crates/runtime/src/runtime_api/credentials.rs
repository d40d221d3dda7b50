use danbi_core::{SessionCredentials, Timestamp};
use serde_json::json;
use std::sync::OnceLock;

/// The life that a template's credentials claim to have. Libraries renew such at every use, so that what a template
/// has fetched while it was imported is not what its forks sign with: a fork renews with its own.
const TEMPLATE_LIFE_MS: i64 = 60_000;

/// The role's credentials as the AWS SDKs fetch them by `AWS_CONTAINER_CREDENTIALS_FULL_URI`, with a token that only
/// this environment knows.
/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>.
pub(crate) struct ContainerCredentials {
    token: String,
    document: OnceLock<String>,
}

impl ContainerCredentials {
    /// For an environment that has none yet; who asks too early is told so as with a wrong token.
    pub(crate) fn later() -> Self {
        Self {
            token: uuid::Uuid::new_v4().simple().to_string(),
            document: OnceLock::new(),
        }
    }

    /// Gives the environment its credentials. Only the first ones count.
    pub(crate) fn give(&self, credentials: &SessionCredentials) {
        self.give_until(credentials, credentials.expires);
    }

    /// For a template.
    pub(crate) fn of_template(credentials: &SessionCredentials, now: Timestamp) -> Self {
        let own = Self::later();
        own.give_until(credentials, now.plus_millis(TEMPLATE_LIFE_MS));
        own
    }

    fn give_until(&self, credentials: &SessionCredentials, expires: Timestamp) {
        let document = json!({
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret.expose(),
            "Token": credentials.session_token,
            "Expiration": crate::log::iso_millis(expires),
        });
        self.document.get_or_init(|| document.to_string());
    }

    /// What the process must send as `Authorization`.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The document, for who knows the token. The token is worth no timing attack: whoever can ask is in the sandbox.
    pub(crate) fn for_token(&self, token: Option<&str>) -> Option<String> {
        self.document
            .get()
            .filter(|_| token == Some(self.token.as_str()))
            .cloned()
    }
}
