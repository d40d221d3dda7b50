//! The constraints of the model on members of requests that are read without the wire's validation.

use crate::Error;

/// The values of `ReturnConsumedCapacity`.
pub(crate) const CAPACITY: &[&str] = &["INDEXES", "TOTAL", "NONE"];
/// The values of `ReturnItemCollectionMetrics`.
pub(crate) const METRICS: &[&str] = &["SIZE", "NONE"];
/// The values of `ReturnValues`.
pub(crate) const RETURN_VALUES: &[&str] = &["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];
/// The values of `ReturnValuesOnConditionCheckFailure`.
pub(crate) const ON_FAILURE: &[&str] = &["ALL_OLD", "NONE"];
/// The values of `ConditionalOperator`.
pub(crate) const OPERATOR: &[&str] = &["AND", "OR"];
/// The values of `Select`.
pub(crate) const SELECT: &[&str] = &[
    "SPECIFIC_ATTRIBUTES",
    "COUNT",
    "ALL_ATTRIBUTES",
    "ALL_PROJECTED_ATTRIBUTES",
];

/// How many violations AWS lists.
const MAX_LISTED: usize = 10;

/// Bytes of an attribute's name that are too many.
const NAME_BYTES: usize = 65_536;

/// Refuses names that no attribute may have.
pub(crate) fn attribute_names<'n>(names: impl IntoIterator<Item = &'n String>) -> Result<(), Error> {
    for name in names {
        if name.is_empty() {
            return Err(Error::validation(
                "One or more parameter values were invalid: Empty attribute name",
            ));
        }
        if name.len() >= NAME_BYTES {
            return Err(Error::validation(format!(
                "Attribute name is too large, must be less than {NAME_BYTES} bytes"
            )));
        }
    }
    Ok(())
}

/// Collects what is wrong with the members of a request.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<String>);

impl Violations {
    /// Begins with the table, which every request names.
    pub(crate) fn of_table(name: &str) -> Self {
        let mut violations = Self::default();
        violations.table("tableName", name);
        violations
    }

    fn add(&mut self, value: &str, member: &str, constraint: impl std::fmt::Display) {
        self.0.push(format!(
            "Value {value} at '{member}' failed to satisfy constraint: {constraint}"
        ));
    }

    /// A table's name must be there; [`crate::tables::catalog::TableRef`] judges the rest.
    pub(crate) fn table(&mut self, member: &str, name: &str) {
        if name.is_empty() {
            self.add("null", member, "Member must not be null");
        }
    }

    /// A required member that is missing.
    pub(crate) fn required(&mut self, member: &str, present: bool) {
        if !present {
            self.add("null", member, "Member must not be null");
        }
    }

    /// One of the values of an enum.
    pub(crate) fn one_of(&mut self, member: &str, value: Option<&String>, values: &[&str]) {
        if let Some(value) = value.filter(|value| !values.contains(&value.as_str())) {
            let constraint = format!("Member must satisfy enum value set: [{}]", values.join(", "));
            self.add(&format!("'{value}'"), member, constraint);
        }
    }

    /// A number within bounds.
    pub(crate) fn within(&mut self, member: &str, value: Option<i32>, low: i32, high: i32) {
        let Some(value) = value else { return };
        if value < low {
            let constraint = format!("Member must have value greater than or equal to {low}");
            self.add(&format!("'{value}'"), member, constraint);
        } else if value > high {
            let constraint = format!("Member must have value less than or equal to {high}");
            self.add(&format!("'{value}'"), member, constraint);
        }
    }

    /// A text or a list of a length within bounds; `shown` is how AWS prints it.
    pub(crate) fn length(&mut self, member: &str, length: usize, low: usize, high: usize, shown: impl Fn() -> String) {
        if length < low {
            let constraint = format!("Member must have length greater than or equal to {low}");
            let shown = if length == 0 {
                shown().replace("...", "")
            } else {
                shown()
            };
            self.add(&format!("'{shown}'"), member, constraint);
        } else if length > high {
            let constraint = format!("Member must have length less than or equal to {high}");
            self.add(&format!("'{}'", shown()), member, constraint);
        }
    }

    /// How many keys of a table BatchGetItem asks for; DynamoDB does not show them, and writes members as clients do.
    pub(crate) fn keys(&mut self, table: &str, count: usize, most: usize) {
        let constraint = match count {
            0 => "greater than or equal to 1".to_owned(),
            count if count > most => format!("less than or equal to {most}"),
            _ => return,
        };
        self.0.push(format!(
            "Value at 'RequestItems.{table}.member.Keys' failed to satisfy constraint: Member must have length {constraint}"
        ));
    }

    /// `Limit` of a Query, worded in the same way.
    pub(crate) fn query_limit(&mut self, limit: Option<i32>) {
        if limit.is_some_and(|limit| limit < 1) {
            let constraint = "Member must have value greater than or equal to 1";
            self.0
                .push(format!("Value at 'Limit' failed to satisfy constraint: {constraint}"));
        }
    }

    /// `AttributesToGet` names at least one.
    pub(crate) fn attributes_to_get(&mut self, names: Option<&Vec<String>>) {
        if let Some(names) = names {
            self.length("attributesToGet", names.len(), 1, usize::MAX, || "[]".into());
        }
    }

    /// A map whose value of `key` is shorter or longer than it may be.
    pub(crate) fn map_value(&mut self, member: &str, key: &str, low: usize, high: usize) {
        let constraint = format!(
            "Map value must satisfy constraint: [Member must have length less than or equal to {high}, Member must have \
             length greater than or equal to {low}]"
        );
        self.add(&format!("'{{{key}=[...]}}'"), member, constraint);
    }

    /// The name of an index.
    pub(crate) fn index(&mut self, name: Option<&String>) {
        let Some(name) = name else { return };
        if !name.bytes().all(crate::tables::catalog::is_name_byte) {
            let constraint = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
            self.add(&format!("'{name}'"), "indexName", constraint);
        }
        self.length("indexName", name.len(), 3, 255, || name.clone());
    }

    /// The refusal, when there was anything.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.0.truncate(MAX_LISTED);
        let plural = if self.0.len() > 1 { "s" } else { "" };
        Err(Error::validation(format!(
            "{} validation error{plural} detected: {}",
            self.0.len(),
            self.0.join("; ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_counted_and_listed_in_order() {
        let mut violations = Violations::of_table("");
        violations.one_of("returnValues", Some(&"DOG".to_owned()), RETURN_VALUES);
        violations.within("limit", Some(0), 1, i32::MAX);
        assert_eq!(
            violations.finish().unwrap_err().to_string(),
            "3 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be \
             null; Value 'DOG' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: \
             [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]; Value '0' at 'limit' failed to satisfy constraint: \
             Member must have value greater than or equal to 1"
        );
    }
}
