//! What all batches have in common: entries with ids that differ, ten of them at most.

use crate::Error;
use crate::shapes::BatchResultErrorEntry;
use std::collections::BTreeSet;

const MOST_ENTRIES: usize = 10;
const MAX_ID: usize = 80;

/// Checks the ids of a batch; `kind` is what an entry is called.
///
/// # Errors
/// What makes AWS refuse the batch as a whole.
pub(crate) fn check<'i>(ids: impl Iterator<Item = &'i str>, kind: &'static str) -> Result<(), Error> {
    let ids: Vec<&str> = ids.collect();
    if ids.is_empty() {
        return Err(Error::EmptyBatch(kind));
    }
    if ids.len() > MOST_ENTRIES {
        return Err(Error::TooManyEntries(ids.len()));
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if ids
        .iter()
        .any(|id| id.is_empty() || id.len() > MAX_ID || !id.bytes().all(letter))
    {
        return Err(Error::EntryId);
    }
    let mut seen = BTreeSet::new();
    match ids.iter().find(|id| !seen.insert(**id)) {
        Some(twice) => Err(Error::EntryIdsNotDistinct((*twice).to_owned())),
        None => Ok(()),
    }
}

/// A list of an answer: one without items is left out.
pub(crate) fn listed<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

/// An entry that failed alone.
pub(crate) fn failed(id: String, error: &Error) -> BatchResultErrorEntry {
    let (code, by_sender) = error.of_entry();
    if !by_sender {
        tracing::error!(%error, "sqs: an entry of a batch failed in the platform");
    }
    BatchResultErrorEntry {
        id,
        sender_fault: by_sender,
        code: code.into(),
        message: Some(if by_sender {
            error.to_string()
        } else {
            "We encountered an internal error. Please try again.".into()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_refused_as_a_whole_in_their_order() {
        let check = |ids: &[&str]| check(ids.iter().copied(), "Entry").map_err(|error| error.to_string());
        check(&["a", "b-1_c"]).unwrap();
        assert!(check(&[]).unwrap_err().contains("at least one Entry"));
        assert!(check(&["x"; 11]).unwrap_err().contains("You have sent 11"));
        assert!(check(&["a:b"]).unwrap_err().contains("80 letters long"));
        assert_eq!(check(&["a", "a"]).unwrap_err(), "Id a repeated.");
    }
}
