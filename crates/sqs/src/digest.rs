//! The MD5s by which clients check what arrived. Source:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation>.

use crate::content::Attribute;
use danbi_core::hex;
use md5::{Digest, Md5};
use std::collections::BTreeMap;

/// What stands before the value of an attribute: how it travels.
const AS_TEXT: u8 = 1;
const AS_BYTES: u8 = 2;

pub(crate) fn of_body(body: &str) -> String {
    hex::encode(Md5::digest(body))
}

fn with_length(digest: &mut Md5, bytes: &[u8]) {
    // A message is far shorter than 4 GiB.
    digest.update((bytes.len() as u32).to_be_bytes());
    digest.update(bytes);
}

/// Of attributes in the order of their names; nothing for none.
pub(crate) fn of_attributes(attributes: &BTreeMap<String, Attribute>) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    for (name, attribute) in attributes {
        with_length(&mut digest, name.as_bytes());
        with_length(&mut digest, attribute.kind.as_bytes());
        match (&attribute.text, &attribute.bytes) {
            (Some(text), _) => {
                digest.update([AS_TEXT]);
                with_length(&mut digest, text.as_bytes());
            }
            (None, bytes) => {
                digest.update([AS_BYTES]);
                with_length(&mut digest, bytes.as_deref().map_or(&[], |bytes| bytes));
            }
        }
    }
    Some(hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_aws() {
        assert_eq!(of_body("test"), "098f6bcd4621d373cade4e832627b4f6");
        let attribute = Attribute {
            kind: "Binary".into(),
            text: None,
            bytes: Some(
                b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01"
                    .to_vec()
                    .into(),
            ),
        };
        let attributes = BTreeMap::from([("attr1".to_owned(), attribute)]);
        assert_eq!(
            of_attributes(&attributes).as_deref(),
            Some("8cbe4db156db8a94db8b801b7addb984")
        );
        let attribute = Attribute {
            kind: "String".into(),
            text: Some("Me".into()),
            bytes: None,
        };
        assert!(of_attributes(&BTreeMap::from([("Help.Me".to_owned(), attribute)])).is_some());
        assert_eq!(of_attributes(&BTreeMap::new()), None);
    }
}
