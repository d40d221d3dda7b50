use crate::AccountId;

/// An account as those outside it see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountProfile {
    /// Its twelve digits.
    pub account: AccountId,
    /// Its canonical user id, by which S3's access control lists name it.
    pub canonical_id: String,
    /// A name to show beside the canonical id. AWS shows none since November 2025, so there is one only where the
    /// account's settings give it.
    pub display_name: Option<String>,
    /// The address that a grant may name it by.
    pub email: Option<String>,
}

/// Knows the accounts of the platform. Implemented by `iam`.
pub trait Accounts: Send + Sync + 'static {
    /// The profile of an account; of one that the platform does not know, what an account without settings has.
    fn profile(&self, account: &AccountId) -> AccountProfile;

    /// The account with this canonical user id, if the platform has it.
    fn by_canonical_id(&self, canonical_id: &str) -> Option<AccountProfile>;

    /// The account with this address (letters' case aside), if the platform has it.
    fn by_email(&self, email: &str) -> Option<AccountProfile>;
}
