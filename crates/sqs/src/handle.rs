//! Receipt handles: which receive of which message, sealed, so that nobody can read one or make one up.

use crate::Error;
use crate::keys::MessageKey;
use crate::names::QueueName;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_keyring::SecretKey;
use uuid::Uuid;

const PURPOSE: &[u8] = b"sqs receipt handle";
/// Longer ones are none.
const MAX_HANDLE: usize = 1024;

/// What a receipt handle says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub message: MessageKey,
    /// How often the message had been received then, this time included.
    pub count: u32,
    pub received_ms: i64,
}

impl Receipt {
    /// The handle that a client of `queue` is given.
    pub(crate) fn handle(&self, key: &SecretKey, queue: &QueueName) -> Result<String, Error> {
        let mut plain = Vec::with_capacity(36);
        plain.extend_from_slice(&self.message.sequence.to_be_bytes());
        plain.extend_from_slice(self.message.id.as_bytes());
        plain.extend_from_slice(&self.count.to_be_bytes());
        plain.extend_from_slice(&self.received_ms.to_be_bytes());
        Ok(STANDARD.encode(key.seal(PURPOSE, &plain, queue.arn().to_string().as_bytes())?))
    }

    /// Reads a handle.
    ///
    /// # Errors
    /// [`Error::Handle`] for what is none, or one of another queue.
    pub(crate) fn read(key: &SecretKey, queue: &QueueName, handle: &str) -> Result<Self, Error> {
        if handle.is_empty() {
            return Err(Error::Missing("ReceiptHandle"));
        }
        let wrong = || Error::Handle(handle.chars().take(MAX_HANDLE).collect());
        if handle.len() > MAX_HANDLE {
            return Err(wrong());
        }
        let sealed = STANDARD.decode(handle).map_err(|_| wrong())?;
        let plain = key
            .open(PURPOSE, &sealed, queue.arn().to_string().as_bytes())
            .map_err(|_| wrong())?;
        let (sequence, rest) = plain.split_first_chunk::<8>().ok_or_else(wrong)?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or_else(wrong)?;
        let (count, rest) = rest.split_first_chunk::<4>().ok_or_else(wrong)?;
        let received = rest.first_chunk::<8>().ok_or_else(wrong)?;
        Ok(Self {
            message: MessageKey {
                sequence: u64::from_be_bytes(*sequence),
                id: Uuid::from_bytes(*id),
            },
            count: u32::from_be_bytes(*count),
            received_ms: i64::from_be_bytes(*received),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::Scope;

    #[test]
    fn a_handle_opens_for_its_queue_alone() {
        let key = SecretKey::random().unwrap();
        let queue = |name: &str| QueueName {
            scope: Scope::default(),
            name: name.into(),
        };
        let receipt = Receipt {
            message: MessageKey {
                sequence: 7,
                id: Uuid::from_u128(8),
            },
            count: 2,
            received_ms: 9,
        };
        let handle = receipt.handle(&key, &queue("q")).unwrap();
        assert_eq!(Receipt::read(&key, &queue("q"), &handle).unwrap(), receipt);
        for (queue, handle) in [
            (queue("other"), handle.as_str()),
            (queue("q"), "garbage"),
            (queue("q"), &handle[4..]),
        ] {
            assert!(matches!(Receipt::read(&key, &queue, handle), Err(Error::Handle(_))));
        }
        assert!(matches!(
            Receipt::read(&SecretKey::random().unwrap(), &queue("q"), &handle),
            Err(Error::Handle(_))
        ));
    }
}
