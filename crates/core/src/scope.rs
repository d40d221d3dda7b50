use std::fmt;
use std::str::FromStr;

/// A string that is not the name it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not twelve decimal digits.
    #[error("an account id is 12 digits, got {0:?}")]
    AccountId(String),
    /// Not a region name such as `eu-central-1`.
    #[error("a region is 1 to 32 lower-case letters, digits and hyphens, such as us-east-1, got {0:?}")]
    Region(String),
}

/// A twelve-digit AWS account id. Danbi's default account is `000000000000`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Box<str>);

impl AccountId {
    /// The twelve digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for AccountId {
    fn default() -> Self {
        Self("000000000000".into())
    }
}

impl FromStr for AccountId {
    type Err = ScopeError;
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.into()))
        } else {
            Err(ScopeError::AccountId(text.into()))
        }
    }
}

/// An AWS region name. Any well-formed name is accepted: resources belong to an (account, region) pair.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Box<str>);

impl Region {
    /// The name, as in `us-east-1`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Region {
    fn default() -> Self {
        Self("us-east-1".into())
    }
}

impl FromStr for Region {
    type Err = ScopeError;
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let grammar = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(grammar) && !text.starts_with('-') {
            Ok(Self(text.into()))
        } else {
            Err(ScopeError::Region(text.into()))
        }
    }
}

macro_rules! text_type {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&*self.0, f) }
        }
    )*};
}
// A macro because `Display` and `Debug` cannot be implemented for a family of types by one generic function.
text_type!(AccountId, Region);

/// The namespace that a resource lives in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scope {
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_grammar() {
        assert!("123456789012".parse::<AccountId>().is_ok());
        assert!("12345678901".parse::<AccountId>().is_err());
        assert!("12345678901a".parse::<AccountId>().is_err());
        assert!("ap-southeast-2".parse::<Region>().is_ok());
        assert!("../etc".parse::<Region>().is_err());
        assert!("".parse::<Region>().is_err());
    }
}
