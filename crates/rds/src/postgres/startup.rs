//! What a client says first.

use super::frame::Fields;
use std::collections::BTreeMap;

/// The protocol's version 3.0.
const VERSION_3: u32 = 3 << 16;
const CANCEL: u32 = (1234 << 16) | 5678;
const TLS: u32 = (1234 << 16) | 5679;
const GSSAPI: u32 = (1234 << 16) | 5680;
/// Settings that one client may begin with.
const MAX_SETTINGS: usize = 64;

/// A connection's first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum First {
    /// It wants to be encrypted.
    Tls,
    /// The same with Kerberos, which is not there.
    Gssapi,
    /// It wants another session's statement to end.
    Cancel { process: u32, secret: u32 },
    /// It begins a session; what it asked for beyond version 3.0 of the protocol, if it did.
    Start(Start, Option<Vec<String>>),
}

/// As whom, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) user: String,
    pub(crate) database: String,
    /// Settings of the session.
    pub(crate) settings: BTreeMap<String, String>,
}

/// Reads a first packet; `None` when it is of another protocol, or of another version.
pub(crate) fn first(packet: &[u8]) -> Option<First> {
    let mut fields = Fields(packet);
    match fields.u32()? {
        TLS => Some(First::Tls),
        GSSAPI => Some(First::Gssapi),
        CANCEL => Some(First::Cancel {
            process: fields.u32()?,
            secret: fields.u32()?,
        }),
        version if version >> 16 == VERSION_3 >> 16 => start(fields, version > VERSION_3),
        _ => None,
    }
}

fn start(mut fields: Fields<'_>, is_newer: bool) -> Option<First> {
    let mut settings = BTreeMap::new();
    let mut unknown = Vec::new();
    loop {
        let name = std::str::from_utf8(fields.text()?).ok()?;
        if name.is_empty() {
            break;
        }
        let value = std::str::from_utf8(fields.text()?).ok()?;
        match name.starts_with("_pq_.") {
            true => unknown.push(name.to_owned()),
            false => drop(settings.insert(name.to_owned(), value.to_owned())),
        }
        if settings.len() + unknown.len() > MAX_SETTINGS {
            return None;
        }
    }
    let user = settings.remove("user").filter(|user| !user.is_empty())?;
    let database = settings.remove("database").filter(|name| !name.is_empty());
    let start = Start {
        database: database.unwrap_or_else(|| user.clone()),
        user,
        settings,
    };
    let beyond = (is_newer || !unknown.is_empty()).then_some(unknown);
    Some(First::Start(start, beyond))
}

/// The message that says that version 3.0 is spoken, and nothing of what was asked for beyond it.
pub(crate) fn negotiation(unknown: &[String]) -> Vec<u8> {
    let mut body = 0_u32.to_be_bytes().to_vec();
    body.extend(u32::try_from(unknown.len()).unwrap_or(0).to_be_bytes());
    for name in unknown {
        body.extend(name.bytes());
        body.push(0);
    }
    super::frame::message(b'v', &body)
}

impl Start {
    /// Whether it asks for replication, which is not for clients.
    pub(crate) fn replicates(&self) -> bool {
        self.settings
            .get("replication")
            .is_some_and(|wanted| !matches!(wanted.as_str(), "false" | "off" | "no" | "0"))
    }

    /// The packet that says it.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut body = VERSION_3.to_be_bytes().to_vec();
        let own = [("user", &self.user), ("database", &self.database)];
        let settings = self.settings.iter().map(|(name, value)| (name.as_str(), value));
        for (name, value) in own.into_iter().chain(settings) {
            for text in [name, value.as_str()] {
                body.extend(text.bytes());
                body.push(0);
            }
        }
        body.push(0);
        with_length(body)
    }
}

/// The packet that ends a statement of a server's session.
pub(crate) fn cancel(process: u32, secret: u32) -> Vec<u8> {
    let numbers = [CANCEL, process, secret];
    with_length(numbers.iter().flat_map(|number| number.to_be_bytes()).collect())
}

fn with_length(body: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    length.to_be_bytes().into_iter().chain(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_first_comes_back() {
        let start = Start {
            user: "app".to_owned(),
            database: "todo".to_owned(),
            settings: BTreeMap::from([("client_encoding".to_owned(), "UTF8".to_owned())]),
        };
        assert_eq!(first(&start.packet()[4..]), Some(First::Start(start.clone(), None)));
        assert!(!start.replicates());
        assert_eq!(first(&cancel(7, 9)[4..]), Some(First::Cancel { process: 7, secret: 9 }));
        let mut own = start;
        own.database = own.user.clone();
        let packet = [&VERSION_3.to_be_bytes()[..], b"user\0app\0client_encoding\0UTF8\0\0"].concat();
        assert_eq!(first(&packet), Some(First::Start(own.clone(), None)));
        let newer = [&b"\0\x03\0\x02user\0app\0client_encoding\0UTF8\0_pq_.x\0y\0\0"[..]].concat();
        assert_eq!(first(&newer), Some(First::Start(own, Some(vec!["_pq_.x".to_owned()]))));
    }

    #[test]
    fn nonsense_is_nothing() {
        for packet in [
            &b""[..],
            b"GET ",
            b"\0\x03\0\0",
            b"\0\x03\0\0user\0",
            b"\0\x03\0\0a\0b\0\0",
            b"\0\x02\0\0\0",
        ] {
            assert_eq!(first(packet), None, "{packet:?}");
        }
    }
}
