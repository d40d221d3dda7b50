//! The handshake's packets: the server's greeting and the client's answer.

use super::frame::Fields;
use super::native_password::LENGTH;
use super::{NATIVE_PASSWORD, capability};

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) version: String,
    pub(crate) thread: u32,
    pub(crate) scramble: [u8; LENGTH],
    pub(crate) capabilities: u32,
}

impl Greeting {
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        if fields.u8()? != 10 {
            return None;
        }
        let version = String::from_utf8_lossy(fields.zero_ended()?).into_owned();
        let thread = fields.u32()?;
        let first = fields.take(8)?;
        fields.take(1)?;
        let low = fields.u16()?;
        fields.take(3)?;
        let high = fields.u16()?;
        fields.take(11)?;
        let second = fields.take(12)?;
        let mut scramble = [0; LENGTH];
        scramble[..8].copy_from_slice(first);
        scramble[8..].copy_from_slice(second);
        Some(Self {
            version,
            thread,
            scramble,
            capabilities: u32::from(low) | u32::from(high) << 16,
        })
    }

    pub(crate) fn payload(&self, charset: u8) -> Vec<u8> {
        let capabilities = self.capabilities.to_le_bytes();
        let mut payload = vec![10];
        payload.extend(self.version.as_bytes());
        payload.push(0);
        payload.extend(self.thread.to_le_bytes());
        payload.extend(&self.scramble[..8]);
        payload.push(0);
        payload.extend(&capabilities[..2]);
        payload.push(charset);
        payload.extend(super::status::AUTOCOMMIT.to_le_bytes());
        payload.extend(&capabilities[2..]);
        payload.push(LENGTH as u8 + 1);
        payload.extend([0; 10]);
        payload.extend(&self.scramble[8..]);
        payload.push(0);
        payload.extend(NATIVE_PASSWORD.as_bytes());
        payload.push(0);
        payload
    }
}

/// What a client answers.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) capabilities: u32,
    pub(crate) charset: u8,
    pub(crate) user: Vec<u8>,
    pub(crate) token: Vec<u8>,
    pub(crate) database: Vec<u8>,
    pub(crate) plugin: Vec<u8>,
}

impl Login {
    /// Reads the answer of a client that speaks the protocol since MySQL 4.1.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        let capabilities = fields.u32()?;
        let needed = capability::PROTOCOL_41 | capability::SECURE_CONNECTION;
        if capabilities & needed != needed {
            return None;
        }
        fields.u32()?;
        let charset = fields.u8()?;
        fields.take(23)?;
        let user = fields.zero_ended()?.to_vec();
        let token = if capabilities & capability::PLUGIN_AUTH_LENENC != 0 {
            fields.text()?
        } else {
            let length = usize::from(fields.u8()?);
            fields.take(length)?
        };
        let token = token.to_vec();
        let mut ended = |flag| match capabilities & flag != 0 {
            true => fields.zero_ended().unwrap_or_default().to_vec(),
            false => Vec::new(),
        };
        Some(Self {
            database: ended(capability::CONNECT_WITH_DB),
            plugin: ended(capability::PLUGIN_AUTH),
            capabilities,
            charset,
            user,
            token,
        })
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        payload.extend(self.capabilities.to_le_bytes());
        payload.extend((64_u32 << 20).to_le_bytes());
        payload.push(self.charset);
        payload.extend([0; 23]);
        payload.extend(&self.user);
        payload.push(0);
        payload.push(u8::try_from(self.token.len()).unwrap_or(0));
        payload.extend(&self.token);
        if self.capabilities & capability::CONNECT_WITH_DB != 0 {
            payload.extend(&self.database);
            payload.push(0);
        }
        if self.capabilities & capability::PLUGIN_AUTH != 0 {
            payload.extend(NATIVE_PASSWORD.as_bytes());
            payload.push(0);
        }
        payload
    }
}

/// Whether a client asks to go on in TLS: the beginning of an answer and nothing else.
pub(crate) fn asks_for_tls(payload: &[u8]) -> bool {
    payload.len() == 32 && Fields(payload).u32().is_some_and(|flags| flags & capability::SSL != 0)
}

/// Asks a client to answer `scramble` by the plugin that the proxy speaks.
pub(crate) fn switch(scramble: &[u8; LENGTH]) -> Vec<u8> {
    let mut payload = vec![0xfe];
    payload.extend(NATIVE_PASSWORD.as_bytes());
    payload.push(0);
    payload.extend(scramble);
    payload.push(0);
    payload
}

/// Printable bytes without zeros, as clients expect them.
pub(crate) fn new_scramble() -> Result<[u8; LENGTH], getrandom::Error> {
    let mut scramble = [0; LENGTH];
    getrandom::fill(&mut scramble)?;
    Ok(scramble.map(|byte| 33 + byte % 94))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let greeting = Greeting {
            version: "5.5.5-10.11.19-MariaDB".to_owned(),
            thread: 7,
            scramble: new_scramble().unwrap(),
            capabilities: 0x8001_0a0b,
        };
        assert_eq!(Greeting::parse(&greeting.payload(45)), Some(greeting));
        let login = Login {
            capabilities: capability::PROTOCOL_41
                | capability::SECURE_CONNECTION
                | capability::CONNECT_WITH_DB
                | capability::PLUGIN_AUTH,
            charset: 45,
            user: b"app".to_vec(),
            token: vec![1; 20],
            database: b"todo".to_vec(),
            plugin: NATIVE_PASSWORD.into(),
        };
        assert!(Login::parse(&login.payload()) == Some(login.clone()));
        for end in 0..login.payload().len() {
            let _ = Login::parse(&login.payload()[..end]);
        }
    }
}
