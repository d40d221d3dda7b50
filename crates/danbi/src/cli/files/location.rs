//! What the command line names: `BUCKET/KEY` on the platform, or a path of this machine.

use crate::cli::failure::Failure;
use std::path::{Path, PathBuf};

/// A bucket and what follows it: a key, a prefix, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The bucket.
    pub bucket: String,
    /// A key or a prefix; may be empty.
    pub key: String,
}

/// One of the two ends of a `sync`.
#[derive(Debug, PartialEq, Eq)]
pub enum Location {
    /// On this machine.
    Local(PathBuf),
    /// On the platform.
    Remote(Remote),
}

impl Remote {
    /// Reads `BUCKET`, `BUCKET/KEY`, or the same behind `s3://`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!("{text:?} is no place for files"), why).next(
                "name it as BUCKET/KEY, such as photos/2026/cat.jpg; a folder of this machine begins with ./ or /",
            )
        };
        let plain = text.strip_prefix("s3://").unwrap_or(text);
        let (bucket, key) = plain.split_once('/').unwrap_or((plain, ""));
        let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(fit) || bucket.starts_with('.') {
            return Err(wrong(
                "a bucket's name has 3 to 63 lower-case letters, digits, hyphens and dots",
            ));
        }
        if key.len() > 1024 {
            return Err(wrong("a key has at most 1024 bytes"));
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }

    /// As [`Remote::parse`]; a key has to be there.
    pub fn object(text: &str) -> Result<Self, Failure> {
        let remote = Self::parse(text)?;
        if remote.key.is_empty() || remote.key.ends_with('/') {
            return Err(
                Failure::usage(format!("{text:?} names no file"), "there is no key behind the bucket")
                    .next("name it as BUCKET/KEY; `danbi files ls BUCKET` shows the keys"),
            );
        }
        Ok(remote)
    }

    /// The same bucket with another key.
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        Self {
            bucket: self.bucket.clone(),
            key: key.into(),
        }
    }

    /// The key as a prefix that ends with a slash, or is empty.
    pub fn folder(&self) -> String {
        match self.key.is_empty() || self.key.ends_with('/') {
            true => self.key.clone(),
            false => format!("{}/", self.key),
        }
    }
}

impl std::fmt::Display for Remote {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.key.is_empty() {
            true => formatter.write_str(&self.bucket),
            false => write!(formatter, "{}/{}", self.bucket, self.key),
        }
    }
}

impl Location {
    /// `s3://…` is remote; what begins with `.`, `/` or `~`, or is there as a folder, is local; the rest is remote.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let local = !text.starts_with("s3://") && (text.starts_with(['.', '/', '~']) || Path::new(text).is_dir());
        if local {
            return Ok(Self::Local(PathBuf::from(text)));
        }
        Remote::parse(text).map(Self::Remote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let remote = Remote::parse("s3://photos/2026/cat.jpg").unwrap();
        assert_eq!(remote, Remote::parse("photos/2026/cat.jpg").unwrap());
        assert_eq!(
            (remote.bucket.as_str(), remote.key.as_str()),
            ("photos", "2026/cat.jpg")
        );
        assert_eq!(remote.with_key("a").folder(), "a/");
        assert!(matches!(Location::parse("./photos").unwrap(), Location::Local(_)));
        assert!(matches!(Location::parse("photos/x").unwrap(), Location::Remote(_)));
        for wrong in ["", "UP/x", "ab", "a b/c", "s3://"] {
            assert!(Remote::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Remote::object("photos").is_err() && Remote::object("photos/a/").is_err());
    }
}
