//! `mysql_native_password`: the client proves that it knows `SHA1(password)` to somebody who knows its SHA1.
//!
//! The token is `SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password)))`; the server keeps `SHA1(SHA1(password))`. Who
//! knows that and sees a token knows `SHA1(password)`, which is all it takes to log in: so the proxy checks a client and
//! then opens connections in its name.

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// Bytes of a SHA-1, and of a scramble.
pub(crate) const LENGTH: usize = 20;

/// `SHA1(password)`, which logs in; `None` is the empty password.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Secret(Option<[u8; LENGTH]>);

/// `SHA1(SHA1(password))`, which a server keeps; `None` is the empty password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept(Option<[u8; LENGTH]>);

fn sha1(parts: &[&[u8]]) -> [u8; LENGTH] {
    let mut digest = Sha1::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().into()
}

fn xor(one: &[u8; LENGTH], other: &[u8; LENGTH]) -> [u8; LENGTH] {
    std::array::from_fn(|at| one[at] ^ other[at])
}

impl Secret {
    pub(crate) fn of_password(password: &str) -> Self {
        Self((!password.is_empty()).then(|| sha1(&[password.as_bytes()])))
    }

    /// What a client answers to `scramble`.
    pub(crate) fn token(&self, scramble: &[u8; LENGTH]) -> Vec<u8> {
        match &self.0 {
            None => Vec::new(),
            Some(secret) => xor(secret, &sha1(&[scramble, &sha1(&[secret])])).to_vec(),
        }
    }

    /// What a server keeps of it.
    pub(crate) fn kept(&self) -> Kept {
        Kept(self.0.map(|secret| sha1(&[&secret])))
    }
}

impl Kept {
    /// Reads MySQL's form: `*` and 40 hexadecimal digits, or nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(None));
        }
        let kept = danbi_core::hex::decode_array::<LENGTH>(text.strip_prefix('*')?)?;
        Some(Self(Some(kept)))
    }

    /// MySQL's form.
    pub(crate) fn text(&self) -> String {
        match &self.0 {
            None => String::new(),
            Some(kept) => kept
                .iter()
                .fold("*".to_owned(), |text, byte| format!("{text}{byte:02X}")),
        }
    }

    /// The secret behind a token, if it is the right one.
    pub(crate) fn verify(&self, scramble: &[u8; LENGTH], token: &[u8]) -> Option<Secret> {
        let Some(kept) = &self.0 else {
            return token.is_empty().then_some(Secret(None));
        };
        let token: [u8; LENGTH] = token.try_into().ok()?;
        let secret = xor(&token, &sha1(&[scramble, kept]));
        bool::from(sha1(&[&secret]).ct_eq(kept)).then_some(Secret(Some(secret)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_token_gives_the_secret_away_and_others_do_not() {
        let (secret, scramble) = (Secret::of_password("secret"), [9; LENGTH]);
        let kept = Kept::parse(&secret.kept().text()).unwrap();
        // SELECT PASSWORD('secret')
        assert_eq!(kept.text(), "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7");
        assert!(kept.verify(&scramble, &secret.token(&scramble)) == Some(secret));
        assert!(
            kept.verify(&scramble, &Secret::of_password("Secret").token(&scramble))
                .is_none()
        );
        assert!(kept.verify(&[8; LENGTH], &secret.token(&scramble)).is_none());
        assert!(kept.verify(&scramble, b"").is_none());
        let nothing = Kept::parse("").unwrap();
        assert!(nothing.verify(&scramble, b"").is_some() && nothing.verify(&scramble, &[0; 20]).is_none());
        assert!(Kept::parse("*é4E65567ABDB5135D0CFD9A70B3032C179A49E").is_none());
    }
}
