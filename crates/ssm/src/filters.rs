//! What DescribeParameters and GetParametersByPath are asked to leave out.
//!
//! Source: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html>.

use crate::error::{Error, Result};
use crate::records::Version;
use crate::shapes::{ParameterStringFilter, ParametersFilter};
use std::collections::{BTreeMap, BTreeSet};

/// Tags of a parameter.
pub(crate) type Tags = BTreeMap<String, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Equals,
    BeginsWith,
    Contains,
    OneLevel,
    Recursive,
}

/// One filter.
#[derive(Debug, Clone)]
struct Filter {
    key: String,
    option: Means,
    values: Vec<String>,
}

/// The filters of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filters(Vec<Filter>);

/// Which operation is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Describe,
    ByPath,
}

impl Asked {
    fn knows(self, key: &str) -> bool {
        match self {
            Self::Describe => {
                matches!(key, "Path" | "Name" | "Type" | "KeyId" | "Tier" | "DataType") || key.starts_with("tag:")
            }
            Self::ByPath => matches!(key, "Type" | "KeyId" | "Label"),
        }
    }

    fn keys(self) -> &'static str {
        match self {
            Self::Describe => "[Path, Name, Type, KeyId, Tier]",
            Self::ByPath => "[Type, KeyId]",
        }
    }
}

impl Filters {
    /// The filters of a request, checked.
    ///
    /// # Errors
    /// `InvalidFilterKey`, `InvalidFilterOption`, `InvalidFilterValue`, `ValidationException`.
    pub(crate) fn read(asked: Asked, filters: &[ParameterStringFilter]) -> Result<Self> {
        let mut seen = BTreeSet::new();
        let mut read = Vec::with_capacity(filters.len());
        for filter in filters {
            read.push(one(asked, filter)?);
            if !seen.insert(filter.key.as_str()) {
                return Err(Error::client(
                    "InvalidFilterKey",
                    format!(
                        "The following filter is duplicated in the request: {}. A request can contain only one occurrence \
                         of a specific filter.",
                        filter.key
                    ),
                ));
            }
        }
        Ok(Self(read))
    }

    /// The older form, of DescribeParameters alone.
    pub(crate) fn of_old(filters: &[ParametersFilter]) -> Self {
        let old = |filter: &ParametersFilter| Filter {
            option: if filter.key == "Name" {
                Means::BeginsWith
            } else {
                Means::Equals
            },
            key: filter.key.clone(),
            values: filter.values.clone(),
        };
        Self(filters.iter().map(old).collect())
    }

    /// Whether tags have to be known to judge.
    pub(crate) fn ask_for_tags(&self) -> bool {
        self.0.iter().any(|filter| filter.key.starts_with("tag:"))
    }

    /// The labels of which a parameter must have one.
    pub(crate) fn labels(&self) -> Option<&[String]> {
        let filter = self.0.iter().find(|filter| filter.key == "Label")?;
        Some(&filter.values)
    }

    /// Whether a parameter is wanted; labels are judged by whoever reads them.
    pub(crate) fn want(&self, version: &Version, tags: &Tags) -> bool {
        self.0.iter().all(|filter| filter.wants(version, tags))
    }
}

fn one(asked: Asked, filter: &ParameterStringFilter) -> Result<Filter> {
    let key = filter.key.as_str();
    if !asked.knows(key) {
        return Err(Error::client(
            "InvalidFilterKey",
            format!(
                "The following filter key is not valid: {key}. Valid filter keys include: {}.",
                asked.keys()
            ),
        ));
    }
    let values = filter.values.clone().unwrap_or_default();
    if values.is_empty() && !key.starts_with("tag:") {
        return Err(Error::client(
            "InvalidFilterValue",
            format!("The following filter values are missing : null for filter key {key}."),
        ));
    }
    let (option, valid): (Option<Means>, &str) = match (key, filter.option.as_deref()) {
        ("Path", None | Some("OneLevel")) => (Some(Means::OneLevel), ""),
        ("Path", Some("Recursive")) => (Some(Means::Recursive), ""),
        ("Path", _) => (None, "[Recursive, OneLevel]"),
        (_, None | Some("Equals")) => (Some(Means::Equals), ""),
        ("Name", Some("Contains")) => (Some(Means::Contains), ""),
        (key, Some("BeginsWith")) if !key.starts_with("tag:") && key != "Label" => (Some(Means::BeginsWith), ""),
        _ => (None, "[BeginsWith, Equals]"),
    };
    let option = option.ok_or_else(|| {
        let given = filter.option.as_deref().unwrap_or_default();
        Error::client(
            "InvalidFilterOption",
            format!("The following filter option is not valid: {given}. Valid options include: {valid}."),
        )
    })?;
    check_values(key, &values)?;
    Ok(Filter {
        key: key.to_owned(),
        option,
        values,
    })
}

fn check_values(key: &str, values: &[String]) -> Result<()> {
    let known: &[&str] = match key {
        "Type" => &["String", "StringList", "SecureString"],
        "Tier" => &["Standard", "Advanced", "Intelligent-Tiering"],
        "Path" => {
            for value in values {
                let lower = value.to_ascii_lowercase();
                if lower.starts_with("/aws") || lower.starts_with("/ssm") {
                    return Err(Error::validation(
                        "Filters for common parameters can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). \
                         When using global parameters, please specify within a global namespace.",
                    ));
                }
                crate::names::check_path(value)?;
            }
            return Ok(());
        }
        _ => return Ok(()),
    };
    match values.iter().find(|value| !known.contains(&value.as_str())) {
        None => Ok(()),
        Some(value) => Err(Error::client(
            "InvalidFilterOption",
            format!(
                "The following filter value is not valid: {value}. Valid values include: [{}].",
                known.join(", ")
            ),
        )),
    }
}

/// With the slash that a name of one level may lack.
fn rooted(name: &str) -> String {
    format!("/{}", name.strip_prefix('/').unwrap_or(name))
}

impl Filter {
    fn wants(&self, version: &Version, tags: &Tags) -> bool {
        let text = |found: &str| match self.option {
            Means::BeginsWith => self.values.iter().any(|value| found.starts_with(value.as_str())),
            Means::Contains => self.values.iter().any(|value| found.contains(value.as_str())),
            _ => self.values.iter().any(|value| found == value),
        };
        match self.key.as_str() {
            "Name" if self.option == Means::Contains => text(&version.name),
            "Name" => {
                let name = rooted(&version.name);
                let is = |value: &String| match self.option {
                    Means::BeginsWith => name.starts_with(&rooted(value)),
                    _ => name == rooted(value),
                };
                self.values.iter().any(is)
            }
            "Path" => {
                let name = rooted(&version.name);
                let is_below = |value: &String| {
                    let below = format!("{}/", value.trim_end_matches('/'));
                    let rest = name.strip_prefix(&below);
                    rest.is_some_and(|rest| self.option == Means::Recursive || !rest.contains('/'))
                };
                self.values.iter().any(is_below)
            }
            "Type" => text(&version.kind),
            "KeyId" => version.key_id.as_deref().is_some_and(text),
            "Tier" => text(&version.tier),
            "DataType" => text(&version.data_type),
            "Label" => true,
            key => match key.strip_prefix("tag:").and_then(|key| tags.get(key)) {
                Some(value) => self.values.is_empty() || self.values.contains(value),
                None => false,
            },
        }
    }
}
