use danbi_core::Region;

/// Which of the two dialects of SigV4 a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Every service but S3: the path is normalised and encoded a second time, the body's hash is always signed, and
    /// clocks may differ by 5 minutes.
    Standard,
    /// S3: the path is encoded once, `x-amz-content-sha256` says how the body is bound, clocks may differ by 15 minutes
    /// (`RequestTimeTooSkewed`).
    S3,
}

impl Profile {
    /// How far the signer's clock may be off, in milliseconds.
    pub const fn skew_millis(self) -> i64 {
        match self {
            Self::Standard => 5 * 60 * 1000,
            Self::S3 => 15 * 60 * 1000,
        }
    }

    pub(super) const fn path_rule(self) -> PathRule {
        match self {
            Self::Standard => PathRule::Double,
            Self::S3 => PathRule::Single,
        }
    }
}

/// How a path becomes canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathRule {
    /// Decoded and encoded once; dots and double slashes are names like any other.
    Single,
    /// Dot segments and empty segments resolved, then what is on the wire is encoded again.
    Double,
}

/// What the addressed service asks of a signature.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The signing name that the credential scope must carry, such as `lambda`.
    pub service: &'a str,
    /// The only region to accept; `None` accepts every well-formed name.
    pub region: Option<&'a Region>,
    /// S3, or any other.
    pub profile: Profile,
}

impl<'a> Rules<'a> {
    /// Rules for `service` in any region; S3's own for `s3`.
    pub fn for_service(service: &'a str) -> Self {
        let profile = if matches!(service, "s3" | "s3express" | "s3-object-lambda" | "s3-outposts") {
            Profile::S3
        } else {
            Profile::Standard
        };
        Self {
            service,
            region: None,
            profile,
        }
    }

    /// The same, for one region only.
    #[must_use]
    pub fn in_region(self, region: &'a Region) -> Self {
        Self {
            region: Some(region),
            ..self
        }
    }
}
