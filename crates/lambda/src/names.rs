//! The names of functions, qualifiers, aliases and layers, in every form the API takes them.

use crate::Error;
use danbi_core::{AccountId, Arn, Region, Scope};
use std::fmt;

/// The pattern that AWS quotes when a function's name is not one, for operations that only take managed functions.
const NAME_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";
/// The pattern that AWS quotes when a qualifier is not one.
const QUALIFIER_PATTERN: &str = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";
/// The pattern that AWS quotes when the qualifier of a function URL is not an alias.
const URL_QUALIFIER_PATTERN: &str = r"((?!^\d+$)^[0-9a-zA-Z-_]+$)";
/// The pattern that AWS quotes when an alias has no alias's name.
const ALIAS_PATTERN: &str = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)";
/// The most bytes in the bare name of a new function.
const MAX_BARE_NAME: usize = 64;

/// A function's bare name: letters, digits, hyphens and underscores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionName(Box<str>);

impl FunctionName {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `text` as a bare name; for names that come from the store or another service's index.
    pub fn parse(text: &str) -> Option<Self> {
        is_word(text).then(|| Self(text.into()))
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which of a function's versions is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qualifier {
    /// `$LATEST`, the version that updates change.
    Latest,
    /// A published version, 1 or more.
    Version(u64),
    /// An alias, by its name.
    Alias(Box<str>),
    /// Well formed and never the name of anything, such as `a$b` or `$LATEST.PUBLISHED`.
    Unknown(Box<str>),
}

impl Qualifier {
    /// Reads a qualifier; fails with AWS's validation message.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > 128 {
            return Err(Error::constraint(
                text,
                "qualifier",
                "Member must have length less than or equal to 128",
            ));
        }
        if text.is_empty() || !text.bytes().all(|b| is_word_byte(b) || b == b'$') && text != "$LATEST.PUBLISHED" {
            let constraint = format!("Member must satisfy regular expression pattern: {QUALIFIER_PATTERN}");
            return Err(Error::constraint(text, "qualifier", constraint));
        }
        Ok(if text == "$LATEST" {
            Self::Latest
        } else if text.bytes().all(|b| b.is_ascii_digit()) {
            // Leading zeros and numbers past u64 name nothing.
            match text.parse() {
                Ok(number) if number > 0 && !text.starts_with('0') => Self::Version(number),
                _ => Self::Unknown(text.into()),
            }
        } else if is_word(text) {
            Self::Alias(text.into())
        } else {
            Self::Unknown(text.into())
        })
    }

    /// Reads the qualifier of a function URL, which can only be an alias.
    pub fn parse_for_url(text: &str) -> Result<Box<str>, Error> {
        match Self::parse(text) {
            Ok(Self::Alias(alias)) => Ok(alias),
            _ => {
                let constraint = format!("Member must satisfy regular expression pattern: {URL_QUALIFIER_PATTERN}");
                Err(Error::constraint(text, "qualifier", constraint))
            }
        }
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Version(number) => number.fmt(f),
            Self::Alias(name) | Self::Unknown(name) => f.write_str(name),
        }
    }
}

/// Checks the name of an alias that is to be made.
pub fn alias_name(text: &str) -> Result<&str, Error> {
    if is_word(text) && !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(text);
    }
    let constraint = format!("Member must satisfy regular expression pattern: {ALIAS_PATTERN}");
    Err(Error::constraint(text, "name", constraint))
}

/// A function in its (account, region), without a qualifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId {
    /// Whose and where.
    pub scope: Scope,
    /// Its name.
    pub name: FunctionName,
}

impl FunctionId {
    /// The unqualified ARN.
    pub fn arn(&self) -> Arn {
        Arn::new("lambda", &self.scope, format!("function:{}", self.name))
    }

    /// The ARN with a qualifier.
    pub fn qualified_arn(&self, qualifier: impl fmt::Display) -> Arn {
        Arn::new("lambda", &self.scope, format!("function:{}:{qualifier}", self.name))
    }

    /// The ARN with the qualifier if there is one.
    pub fn arn_of(&self, qualifier: Option<&Qualifier>) -> Arn {
        qualifier.map_or_else(|| self.arn(), |qualifier| self.qualified_arn(qualifier))
    }
}

/// A function as a request names it: `FunctionName` and `Qualifier` read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRef {
    /// The function.
    pub id: FunctionId,
    /// The qualifier, from the name or from its own member.
    pub qualifier: Option<Qualifier>,
}

impl FunctionRef {
    /// Reads `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME…`, or a full ARN, with the `Qualifier` member beside it.
    ///
    /// What the text leaves out comes from `scope`, the caller's. The text may be percent-encoded once more than the
    /// URL demands, as some clients send ARNs.
    pub fn parse(scope: &Scope, text: &str, qualifier: Option<&str>) -> Result<Self, Error> {
        let decoded = if text.contains('%') {
            danbi_core::uri::decode_text(text).into_owned()
        } else {
            text.into()
        };
        let parts = NameParts::read(&decoded).ok_or_else(|| {
            let constraint = format!("Member must satisfy regular expression pattern: {NAME_PATTERN}");
            Error::constraint(text, "functionName", constraint)
        })?;
        if let Some(region) = parts.region.filter(|region| *region != scope.region.as_str()) {
            return Err(Error::NotFound(format!(
                "Functions from '{region}' are not reachable in this region ('{}')",
                scope.region
            )));
        }
        let account: AccountId = match parts.account {
            // Twelve digits, by the grammar.
            Some(account) => account.parse().map_err(|_| Error::AccessDenied)?,
            None => scope.account.clone(),
        };
        let given = qualifier.map(Qualifier::parse).transpose()?;
        let derived = parts.qualifier.map(Qualifier::parse).transpose()?;
        if let (Some(given), Some(derived)) = (&given, &derived)
            && given != derived
        {
            return Err(Error::InvalidParameter(
                "The derived qualifier from the function name does not match the specified qualifier.".into(),
            ));
        }
        let id = FunctionId {
            scope: Scope {
                account,
                region: scope.region.clone(),
            },
            name: FunctionName(parts.name.into()),
        };
        Ok(Self {
            id,
            qualifier: given.or(derived),
        })
    }

    /// Reads the name of a function that is to be made: one of the caller's account, at most 64 bytes when bare.
    pub fn parse_new(scope: &Scope, text: &str) -> Result<FunctionId, Error> {
        let reference = Self::parse(scope, text, None)?;
        let bare = reference.id.name.as_str() == text;
        if bare && text.len() > MAX_BARE_NAME || reference.id.name.as_str().len() > MAX_BARE_NAME {
            return Err(Error::InvalidParameter(format!(
                "1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"
            )));
        }
        if reference.id.scope.account != scope.account {
            return Err(Error::AccessDenied);
        }
        Ok(reference.id)
    }

    /// Reads a function's full ARN.
    pub fn from_arn(arn: &Arn) -> Option<Self> {
        let scope = arn.scope().filter(|_| arn.service == "lambda")?;
        let mut parts = arn.resource.strip_prefix("function:")?.splitn(2, ':');
        let name = FunctionName::parse(parts.next()?)?;
        let qualifier = parts.next().map(Qualifier::parse).transpose().ok()?;
        Some(Self {
            id: FunctionId { scope, name },
            qualifier,
        })
    }

    /// The ARN as the request means it.
    pub fn arn(&self) -> Arn {
        self.id.arn_of(self.qualifier.as_ref())
    }
}

/// What a function's name is made of.
#[derive(Debug, Default, PartialEq, Eq)]
struct NameParts<'a> {
    region: Option<&'a str>,
    account: Option<&'a str>,
    name: &'a str,
    qualifier: Option<&'a str>,
}

impl<'a> NameParts<'a> {
    /// Matches the name's grammar: every leading part is optional and taken when what is left still matches.
    fn read(text: &'a str) -> Option<Self> {
        let rest = match text.strip_prefix("arn:") {
            Some(after) => {
                let (partition, after) = after.split_once(':')?;
                let letters = |b: u8| b.is_ascii_alphabetic() || b == b'-';
                let partition = partition.is_empty() || partition.starts_with("aws") && partition.bytes().all(letters);
                after.strip_prefix("lambda:").filter(|_| partition)?
            }
            None => text,
        };
        Self::read_from(rest, 0)
    }

    fn read_from(text: &'a str, part: u8) -> Option<Self> {
        if part == 3 {
            let (name, qualifier) = match text.split_once(':') {
                Some((name, qualifier)) => (name, Some(qualifier)),
                None => (text, None),
            };
            let qualified = qualifier.is_none_or(|q| q == "$LATEST" || q == "$LATEST.PUBLISHED" || is_word(q));
            return (is_word(name) && qualified).then_some(Self {
                name,
                qualifier,
                ..Self::default()
            });
        }
        if let Some((head, tail)) = text.split_once(':') {
            let (fits, region, account) = match part {
                0 => (is_region(head), Some(head), None),
                1 => (
                    head.len() == 12 && head.bytes().all(|b| b.is_ascii_digit()),
                    None,
                    Some(head),
                ),
                _ => (head == "function", None, None),
            };
            if fits && let Some(parts) = Self::read_from(tail, part + 1) {
                return Some(Self {
                    region: region.or(parts.region),
                    account: account.or(parts.account),
                    ..parts
                });
            }
        }
        Self::read_from(text, part + 1)
    }
}

/// A layer's name, in its (account, region).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerId {
    /// Whose and where.
    pub scope: Scope,
    /// Its name.
    pub name: String,
}

impl LayerId {
    /// Reads a layer's name or ARN; a version at the ARN's end is left off.
    pub fn parse(scope: &Scope, text: &str) -> Result<Self, Error> {
        if let Ok(arn) = text.parse::<Arn>() {
            return Self::from_arn(&arn).map(|(id, _)| id).ok_or_else(|| {
                let constraint = r"Member must satisfy regular expression pattern: (arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+";
                Error::constraint(text, "layerName", constraint)
            });
        }
        if !is_word(text) {
            let constraint = r"Member must satisfy regular expression pattern: (arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+";
            return Err(Error::constraint(text, "layerName", constraint));
        }
        Ok(Self {
            scope: scope.clone(),
            name: text.into(),
        })
    }

    /// Reads `arn:…:layer:NAME` or `arn:…:layer:NAME:VERSION`.
    pub fn from_arn(arn: &Arn) -> Option<(Self, Option<u64>)> {
        let scope = arn.scope().filter(|_| arn.service == "lambda")?;
        let mut parts = arn.resource.strip_prefix("layer:")?.splitn(2, ':');
        let name = parts.next().filter(|name| is_word(name))?.to_owned();
        let version = parts.next().map(|text| text.parse().ok().filter(|number| *number > 0));
        match version {
            Some(None) => None,
            other => Some((Self { scope, name }, other.flatten())),
        }
    }

    /// The layer's ARN.
    pub fn arn(&self) -> Arn {
        Arn::new("lambda", &self.scope, format!("layer:{}", self.name))
    }

    /// The ARN of one of its versions.
    pub fn version_arn(&self, version: i64) -> Arn {
        Arn::new("lambda", &self.scope, format!("layer:{}:{version}", self.name))
    }
}

fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

/// Letters, digits, hyphens, underscores; at least one.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_word_byte)
}

/// `xx-word-9`, the only form of a region that the name's grammar knows.
fn is_region(text: &str) -> bool {
    let mut parts = text
        .strip_prefix("eusc-")
        .unwrap_or(text)
        .split('-')
        .collect::<Vec<_>>();
    if parts.len() == 4 && (parts[1] == "gov" || parts[1].starts_with("iso") && parts[1].len() <= 4) {
        parts.remove(1);
    }
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    matches!(parts[..], [country, area, number]
        if country.len() == 2 && lower(country) && lower(area) && number.len() == 1 && number.as_bytes()[0].is_ascii_digit())
        && text.parse::<Region>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FunctionRef, Error> {
        FunctionRef::parse(&Scope::default(), text, None)
    }

    fn message(result: Result<impl fmt::Debug, Error>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_function_is_named_in_every_form_that_aws_takes() {
        let plain = read("my-fn_1").unwrap();
        assert_eq!(
            plain.arn().to_string(),
            "arn:aws:lambda:us-east-1:000000000000:function:my-fn_1"
        );
        for text in [
            "my-fn_1:prod",
            "000000000000:function:my-fn_1:prod",
            "000000000000:my-fn_1:prod",
            "function:my-fn_1:prod",
            "us-east-1:000000000000:function:my-fn_1:prod",
            "arn:aws:lambda:us-east-1:000000000000:function:my-fn_1:prod",
            "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Amy-fn_1%3Aprod",
        ] {
            let reference = read(text).unwrap();
            assert_eq!(reference.id, plain.id, "{text}");
            assert_eq!(reference.qualifier, Some(Qualifier::Alias("prod".into())), "{text}");
        }
        assert_eq!(read("fn:$LATEST").unwrap().qualifier, Some(Qualifier::Latest));
        assert_eq!(read("fn:12").unwrap().qualifier, Some(Qualifier::Version(12)));
        // Twelve digits alone are a name; `function` alone too.
        assert_eq!(read("123456789012").unwrap().id.name.as_str(), "123456789012");
        assert_eq!(read("function").unwrap().id.name.as_str(), "function");
    }

    #[test]
    fn a_name_that_is_none_is_refused_in_the_words_of_aws() {
        assert_eq!(
            message(read("invalid:function:name")),
            format!(
                "1 validation error detected: Value 'invalid:function:name' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: {NAME_PATTERN}"
            )
        );
        assert!(read("").is_err());
        assert!(read("a b").is_err());
        assert!(read("arn:aws:s3:::bucket").is_err());
        assert_eq!(
            message(read("arn:aws:lambda:eu-west-1:000000000000:function:f")),
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
        );
        let long = "a".repeat(65);
        assert_eq!(
            message(FunctionRef::parse_new(&Scope::default(), &long)),
            format!(
                "1 validation error detected: Value '{long}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"
            )
        );
    }

    #[test]
    fn name_and_qualifier_have_to_agree() {
        let scope = Scope::default();
        assert_eq!(
            message(FunctionRef::parse(&scope, "f:1", Some("2"))),
            "The derived qualifier from the function name does not match the specified qualifier."
        );
        assert!(FunctionRef::parse(&scope, "f:1", Some("1")).is_ok());
        assert_eq!(
            message(FunctionRef::parse(&scope, "f", Some("invalid-qualifier-with-?-char"))),
            r"1 validation error detected: Value 'invalid-qualifier-with-?-char' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
        );
        assert!(matches!(
            Qualifier::parse("valid-with-$-but"),
            Ok(Qualifier::Unknown(_))
        ));
        assert!(matches!(Qualifier::parse("007"), Ok(Qualifier::Unknown(_))));
        assert_eq!(
            message(Qualifier::parse_for_url("1")),
            r"1 validation error detected: Value '1' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)"
        );
        assert_eq!(
            message(alias_name("2024")),
            "1 validation error detected: Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
        );
    }

    #[test]
    fn a_layer_is_named_by_its_name_or_by_an_arn() {
        let scope = Scope::default();
        let id = LayerId::parse(&scope, "tools").unwrap();
        assert_eq!(
            id.version_arn(3).to_string(),
            "arn:aws:lambda:us-east-1:000000000000:layer:tools:3"
        );
        assert_eq!(LayerId::parse(&scope, &id.version_arn(3).to_string()).unwrap(), id);
        assert_eq!(LayerId::from_arn(&id.version_arn(3)), Some((id.clone(), Some(3))));
        assert_eq!(LayerId::from_arn(&id.version_arn(0)), None);
        assert!(LayerId::parse(&scope, "a/b").is_err());
    }
}
