//! SCRAM-SHA-256: both sides prove that they know a password, and neither learns it.
//!
//! Sources: RFC 5802, RFC 7677, and what PostgreSQL keeps in `pg_authid`. The server keeps `H(ClientKey)`; a client that
//! proves itself gives `ClientKey` away to whoever has that. So the proxy checks a client and then opens connections in
//! its name, without a password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;
use subtle::ConstantTimeEq;

/// The mechanism's name. The one with channel binding is not offered: TLS ends at the proxy.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";
/// Bytes of a key.
const LENGTH: usize = digest::SHA256_OUTPUT_LEN;
/// What PostgreSQL uses for passwords.
const ITERATIONS: u32 = 4096;
/// More of them than anybody asks for would keep the processor busy.
const MAX_ITERATIONS: u32 = 1 << 20;
const SALT: usize = 16;
const NONCE: usize = 18;

type Key = [u8; LENGTH];

fn hmac(key: &[u8], text: &[u8]) -> Key {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    // A tag of SHA-256 has this length.
    std::array::from_fn(|at| tag.as_ref().get(at).copied().unwrap_or(0))
}

fn hash(bytes: &[u8]) -> Key {
    let digest = digest::digest(&digest::SHA256, bytes);
    // So has a digest.
    std::array::from_fn(|at| digest.as_ref().get(at).copied().unwrap_or(0))
}

fn xor(one: &Key, other: &Key) -> Key {
    std::array::from_fn(|at| one[at] ^ other[at])
}

/// What logs in.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Keys {
    client: Key,
    server: Key,
}

impl Keys {
    fn of_password(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let mut salted = [0; LENGTH];
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, password, &mut salted);
        Self {
            client: hmac(&salted, b"Client Key"),
            server: hmac(&salted, b"Server Key"),
        }
    }
}

/// With what a client logs in.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Secret {
    Password(String),
    Keys(Keys),
}

/// What a server keeps of a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored: Key,
    server: Key,
}

impl Verifier {
    /// Of a password that somebody made up.
    pub(crate) fn of_password(password: &str) -> Result<Self, getrandom::Error> {
        Self::with(password, ITERATIONS)
    }

    /// Of 256 random bits, which no number of iterations makes harder to guess.
    pub(crate) fn of_random(password: &str) -> Result<Self, getrandom::Error> {
        Self::with(password, 1)
    }

    fn with(password: &str, iterations: u32) -> Result<Self, getrandom::Error> {
        let mut salt = vec![0; SALT];
        getrandom::fill(&mut salt)?;
        let keys = Keys::of_password(password.as_bytes(), &salt, iterations);
        Ok(Self {
            iterations,
            salt,
            stored: hash(&keys.client),
            server: keys.server,
        })
    }

    /// One that no password fits, the same for a user each time, so that nobody learns who is one.
    pub(crate) fn of_nobody(user: &[u8], secret: &[u8]) -> Self {
        let salt = hmac(secret, user);
        Self {
            iterations: ITERATIONS,
            salt: salt[..SALT].to_vec(),
            // Whoever found a key with this hash would have broken SHA-256.
            stored: hmac(secret, &salt),
            server: hmac(&salt, secret),
        }
    }

    /// Reads PostgreSQL's form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(MECHANISM)?.strip_prefix('$')?;
        let (cost, keys) = rest.split_once('$')?;
        let (iterations, salt) = cost.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let key = |text: &str| BASE64.decode(text).ok()?.try_into().ok();
        Some(Self {
            iterations: iterations
                .parse()
                .ok()
                .filter(|count| (1..=MAX_ITERATIONS).contains(count))?,
            salt: BASE64.decode(salt).ok()?,
            stored: key(stored)?,
            server: key(server)?,
        })
    }

    /// PostgreSQL's form.
    pub(crate) fn text(&self) -> String {
        format!(
            "{MECHANISM}${}:{}${}:{}",
            self.iterations,
            BASE64.encode(&self.salt),
            BASE64.encode(self.stored),
            BASE64.encode(self.server)
        )
    }
}

fn nonce() -> Result<String, getrandom::Error> {
    let mut bytes = [0; NONCE];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64.encode(bytes))
}

/// The value of attribute `name` in a message; it must be the `at`th.
fn attribute(message: &str, at: usize, name: char) -> Option<&str> {
    let part = message.split(',').nth(at)?;
    part.strip_prefix(name)?.strip_prefix('=')
}

/// A server's side, after its first message.
pub(crate) struct Challenge {
    verifier: Verifier,
    nonce: String,
    /// What the client said of channel binding, which it repeats.
    header: String,
    client_first: String,
    /// The server's first message.
    pub(crate) said: String,
}

impl Challenge {
    /// Answers a client's first message; `None` when it is none, or wants channel binding.
    pub(crate) fn answer(verifier: Verifier, message: &[u8]) -> Option<Self> {
        let message = std::str::from_utf8(message).ok()?;
        // `n` is a client without channel binding, `y` one that has not been offered it.
        let mut parts = message.splitn(3, ',');
        let (flag, identity, bare) = (parts.next()?, parts.next()?, parts.next()?);
        if !matches!(flag, "n" | "y") || !identity.is_empty() {
            return None;
        }
        attribute(bare, 0, 'n')?;
        let nonce = format!(
            "{}{}",
            attribute(bare, 1, 'r').filter(|nonce| !nonce.is_empty())?,
            nonce().ok()?
        );
        let said = format!(
            "r={nonce},s={},i={}",
            BASE64.encode(&verifier.salt),
            verifier.iterations
        );
        Some(Self {
            verifier,
            nonce,
            header: format!("{flag},,"),
            client_first: bare.to_owned(),
            said,
        })
    }

    /// Checks a client's last message: what it logs in with, and the server's last message.
    pub(crate) fn check(&self, message: &[u8]) -> Option<(Keys, String)> {
        let message = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let proof: Key = BASE64.decode(proof).ok()?.try_into().ok()?;
        let bound = attribute(without_proof, 0, 'c')? == BASE64.encode(&self.header);
        let same = attribute(without_proof, 1, 'r')? == self.nonce;
        if !bound || !same {
            return None;
        }
        let text = format!("{},{},{without_proof}", self.client_first, self.said);
        let client = xor(&proof, &hmac(&self.verifier.stored, text.as_bytes()));
        if !bool::from(hash(&client).ct_eq(&self.verifier.stored)) {
            return None;
        }
        let signature = hmac(&self.verifier.server, text.as_bytes());
        let keys = Keys {
            client,
            server: self.verifier.server,
        };
        Some((keys, format!("v={}", BASE64.encode(signature))))
    }
}

/// A client's side, after its first message.
pub(crate) struct Claim {
    nonce: String,
    /// The client's first message.
    pub(crate) said: String,
}

/// A client's side, after its last message.
pub(crate) struct Claimed {
    expected: String,
    /// The client's last message.
    pub(crate) said: String,
}

impl Claim {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let nonce = nonce()?;
        Ok(Self {
            said: format!("n,,n=,r={nonce}"),
            nonce,
        })
    }

    /// Answers a server's challenge; `None` when it is none.
    pub(crate) fn prove(&self, secret: &Secret, challenge: &[u8]) -> Option<Claimed> {
        let challenge = std::str::from_utf8(challenge).ok()?;
        let nonce = attribute(challenge, 0, 'r').filter(|nonce| nonce.starts_with(&self.nonce))?;
        let salt = BASE64.decode(attribute(challenge, 1, 's')?).ok()?;
        let iterations: u32 = attribute(challenge, 2, 'i')?.parse().ok()?;
        let keys = match secret {
            Secret::Keys(keys) => *keys,
            Secret::Password(password) if iterations <= MAX_ITERATIONS => {
                Keys::of_password(password.as_bytes(), &salt, iterations)
            }
            Secret::Password(_) => return None,
        };
        let without_proof = format!("c={},r={nonce}", BASE64.encode("n,,"));
        let bare = self.said.strip_prefix("n,,")?;
        let text = format!("{bare},{challenge},{without_proof}");
        let proof = xor(&keys.client, &hmac(&hash(&keys.client), text.as_bytes()));
        Some(Claimed {
            expected: format!("v={}", BASE64.encode(hmac(&keys.server, text.as_bytes()))),
            said: format!("{without_proof},p={}", BASE64.encode(proof)),
        })
    }
}

impl Claimed {
    /// Whether the server knows the password too.
    pub(crate) fn is_answered_by(&self, message: &[u8]) -> bool {
        self.expected.as_bytes().ct_eq(message).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(verifier: &Verifier, secret: &Secret) -> Option<Keys> {
        let claim = Claim::new().unwrap();
        let challenge = Challenge::answer(verifier.clone(), claim.said.as_bytes()).unwrap();
        let claimed = claim.prove(secret, challenge.said.as_bytes()).unwrap();
        let (keys, last) = challenge.check(claimed.said.as_bytes())?;
        assert!(claimed.is_answered_by(last.as_bytes()) && !claimed.is_answered_by(b"v=AAAA"));
        Some(keys)
    }

    #[test]
    fn the_right_password_logs_in_and_gives_away_what_logs_in_again() {
        let verifier = Verifier::of_password("correct-horse").unwrap();
        let verifier = Verifier::parse(&verifier.text()).unwrap();
        let keys = exchange(&verifier, &Secret::Password("correct-horse".to_owned())).unwrap();
        assert!(exchange(&verifier, &Secret::Keys(keys)).is_some());
        assert!(exchange(&verifier, &Secret::Password("wrong-horse".to_owned())).is_none());
        let nobody = Verifier::of_nobody(b"nobody", b"secret");
        assert!(exchange(&nobody, &Secret::Keys(keys)).is_none());
        assert_eq!(nobody.text(), Verifier::of_nobody(b"nobody", b"secret").text());
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 7677, 3.
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = Keys::of_password(b"pencil", &salt, 4096);
        let text = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = xor(&keys.client, &hmac(&hash(&keys.client), text.as_bytes()));
        assert_eq!(BASE64.encode(proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let signature = hmac(&keys.server, text.as_bytes());
        assert_eq!(BASE64.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn nonsense_is_no_message() {
        let verifier = || Verifier::of_random("x").unwrap();
        for message in [
            &b""[..],
            b"n",
            b"n,,",
            b"n,,n=x",
            b"p=tls-unique,,n=,r=a",
            b"n,,n=,r=",
            b"n,a=b,n=,r=a",
            b"\xff",
        ] {
            assert!(Challenge::answer(verifier(), message).is_none(), "{message:?}");
        }
        let challenge = Challenge::answer(verifier(), b"n,,n=,r=abc").unwrap();
        for message in [&b""[..], b"c=biws", b"c=biws,r=abc,p=AAAA", b"p=", b",p=", b"\xff"] {
            assert!(challenge.check(message).is_none(), "{message:?}");
        }
        for text in [
            "",
            "md5abc",
            "SCRAM-SHA-256$4096:$:",
            "SCRAM-SHA-256$0:AAAA$AAAA:AAAA",
            "SCRAM-SHA-256$",
        ] {
            assert!(Verifier::parse(text).is_none(), "{text}");
        }
    }
}
