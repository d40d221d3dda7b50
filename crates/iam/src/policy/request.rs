use danbi_core::{AccountId, Principal};
use std::collections::HashMap;

/// What is known of a request besides principal, action and resource: condition keys and their values. Names do not
/// mind their case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContextKeys(HashMap<String, Vec<String>>);

impl ContextKeys {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key to one value, or adds one to a key that has several.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        self.0.entry(key.to_ascii_lowercase()).or_default().push(value.into());
    }

    /// Makes a key present, even without a value.
    pub fn add_all(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        self.0.entry(key.to_ascii_lowercase()).or_default().extend(values);
    }

    /// The same, for chaining.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.add(key, value);
        self
    }

    /// The key's values; `None` when it is absent.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }
}

/// What is asked of the policies.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// Such as `lambda:InvokeFunction`.
    pub action: &'a str,
    /// The resource's ARN, or `*` for an action that names none.
    pub resource: &'a str,
    /// The account that owns the resource; `None` for the caller's own.
    pub resource_account: Option<&'a AccountId>,
    /// The condition keys.
    pub context: &'a ContextKeys,
}
