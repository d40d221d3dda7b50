//! What is kept of a message besides where it is in its life: written once, in pieces that fit the store's values.

use crate::Error;
use crate::keys::{self, MessageKey};
use crate::records::{Read, State};
use bytes::Bytes;
use danbi_store::Transaction;
use danbi_wire::Blob;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of one piece; the store takes 100,000.
const PIECE: usize = 96 * 1024;

/// A message attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attribute {
    /// `String`, `Number` or `Binary`, with or without a label.
    #[serde(rename = "t")]
    pub kind: String,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Blob>,
}

/// A message as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// In the store it stands behind the rest, as it is.
    #[serde(skip)]
    pub body: String,
    #[serde(default)]
    pub body_md5: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Attribute>,
    /// `AWSTraceHeader`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    pub sender: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication: Option<String>,
}

impl Content {
    /// As it is kept, unless it is sealed: the length of the head, the head as JSON, the body.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let head = serde_json::to_vec(self)?;
        let mut bytes = Vec::with_capacity(4 + head.len() + self.body.len());
        // A message is at most a mebibyte.
        bytes.extend_from_slice(&(head.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(self.body.as_bytes());
        Ok(bytes)
    }

    /// Reads what [`Content::encode`] wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let broken = || Error::internal("a message's content is damaged");
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(broken)?;
        let (head, body) = rest
            .split_at_checked(u32::from_be_bytes(*length) as usize)
            .ok_or_else(broken)?;
        let mut content: Self = serde_json::from_slice(head)?;
        content.body = String::from_utf8(body.to_vec()).map_err(|_| broken())?;
        Ok(content)
    }
}

/// How many pieces so many bytes make.
pub(crate) fn pieces(bytes: &Bytes) -> u64 {
    bytes.len().div_ceil(PIECE).max(1) as u64
}

/// Writes a content.
pub(crate) fn write(tx: &Transaction, key: &MessageKey, bytes: &Bytes) -> Result<(), Error> {
    for piece in 0..pieces(bytes) {
        let from = piece as usize * PIECE;
        let until = bytes.len().min(from + PIECE);
        tx.put(&keys::content(key, piece), bytes.slice(from..until))?;
    }
    Ok(())
}

/// Reads a content; `None` when the message was removed meanwhile.
pub(crate) async fn read(view: &impl Read, key: &MessageKey, state: &State) -> Result<Option<Bytes>, Error> {
    let key = state.content_key(key);
    if state.pieces == 1 {
        return Ok(view.read(&keys::content(&key, 0)).await?);
    }
    let mut whole = Vec::with_capacity(state.pieces as usize * PIECE);
    for piece in 0..state.pieces {
        match view.read(&keys::content(&key, piece)).await? {
            Some(bytes) => whole.extend_from_slice(&bytes),
            None => return Ok(None),
        }
    }
    Ok(Some(whole.into()))
}

/// Removes a content.
pub(crate) fn remove(tx: &Transaction, key: &MessageKey, state: &State) -> Result<(), Error> {
    let key = state.content_key(key);
    for piece in 0..state.pieces {
        tx.delete(&keys::content(&key, piece))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_reads_as_it_was_written() {
        let content = Content {
            body: "ä body\n".into(),
            attributes: BTreeMap::from([(
                "a".to_owned(),
                Attribute {
                    kind: "Binary".into(),
                    text: None,
                    bytes: Some(vec![0, 255].into()),
                },
            )]),
            sender: "AIDA".into(),
            ..Content::default()
        };
        assert_eq!(Content::decode(&content.encode().unwrap()).unwrap(), content);
        assert!(Content::decode(&[0, 0, 0, 9, b'{']).is_err());
    }
}
