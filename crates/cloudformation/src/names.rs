//! Names of stacks, and the names that resources get.

use crate::records::{Stack, View};
use crate::{Error, Result, keys, records};
use danbi_core::Scope;

/// What a caller may name a stack by: its name, or its id.
pub(crate) enum Named<'a> {
    Name(&'a str),
    Id(&'a str),
}

pub(crate) fn read(text: &str) -> Named<'_> {
    match text.strip_prefix("arn:").and_then(|rest| rest.rsplit_once('/')) {
        Some((_, uuid)) => Named::Id(uuid),
        None => Named::Name(text),
    }
}

/// The ARN that a request for `stack` is judged by; a name alone stands for all stacks that had it.
pub(crate) fn arn(scope: &Scope, stack: &str) -> String {
    if stack.starts_with("arn:") {
        return stack.to_owned();
    }
    format!(
        "arn:aws:cloudformation:{}:{}:stack/{stack}/*",
        scope.region, scope.account
    )
}

/// The stack that is meant, a deleted one only by its id.
pub(crate) async fn find(view: &impl View, scope: &Scope, stack: &str) -> Result<Option<Stack>> {
    let uuid = match read(stack) {
        Named::Id(uuid) => uuid.to_owned(),
        Named::Name(name) => match records::get::<String>(view, &keys::name(scope, name)).await? {
            Some(uuid) => uuid,
            None => return Ok(None),
        },
    };
    let found: Option<Stack> = records::get(view, &keys::stack(scope, &uuid)).await?;
    Ok(found.filter(|found| !stack.starts_with("arn:") || found.id() == stack))
}

/// The stack that is meant.
pub(crate) async fn existing(view: &impl View, scope: &Scope, stack: &str) -> Result<Stack> {
    find(view, scope, stack)
        .await?
        .ok_or_else(|| Error::no_stack_with_id(stack))
}

/// How a service's names look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Naming {
    pub longest: usize,
    pub lower_case: bool,
}

impl Naming {
    pub(crate) const fn up_to(longest: usize) -> Self {
        Self {
            longest,
            lower_case: false,
        }
    }
}

/// `stack-LogicalId-SUFFIX`, shortened as AWS does: the same for the same token.
pub(crate) fn generated(stack: &str, logical_id: &str, token: &str, naming: Naming) -> String {
    let suffix = suffix(token, 12);
    let room = naming.longest.saturating_sub(suffix.len() + 2);
    // The logical id gives way only after the stack's name has.
    let logical: String = logical_id
        .chars()
        .take(room.saturating_sub(stack.len().min(room / 2)))
        .collect();
    let stack: String = stack.chars().take(room.saturating_sub(logical.len())).collect();
    let name = format!("{stack}-{logical}-{suffix}");
    if naming.lower_case {
        name.to_ascii_lowercase()
    } else {
        name
    }
}

/// Letters and digits made of a token.
pub(crate) fn suffix(token: &str, length: usize) -> String {
    use sha2::{Digest, Sha256};
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Sha256::digest(token.as_bytes());
    digest
        .iter()
        .take(length)
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect()
}

/// `2023-06-26T14:23:12.123Z`.
pub(crate) fn iso(time: danbi_core::Timestamp) -> String {
    let at = time.to_datetime();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_are_the_same_again() {
        let long = "s".repeat(100);
        for longest in [63, 64, 80, 255] {
            let name = generated(&long, "SomeVeryLongLogicalIdOfAResource", "t", Naming::up_to(longest));
            assert!(name.len() <= longest, "{name}");
            assert_eq!(
                name,
                generated(&long, "SomeVeryLongLogicalIdOfAResource", "t", Naming::up_to(longest))
            );
        }
        assert!(
            generated(
                "st",
                "Bucket",
                "t",
                Naming {
                    longest: 63,
                    lower_case: true
                }
            )
            .starts_with("st-bucket-")
        );
    }
}
