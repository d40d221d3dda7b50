//! How a request says it is signed, before anything of it is believed.

use crate::sigv2;
use crate::sigv4::{self, RequestView, SigV4Error};
use danbi_core::{Region, ServiceError};

pub(super) enum Signed {
    /// Not at all.
    No,
    V4(sigv4::Claim),
    /// Which only S3 takes.
    V2(sigv2::Claim),
    /// It tries to be a signature.
    Wrongly(SigV4Error),
    WronglyV2(ServiceError),
}

impl Signed {
    pub(super) fn parse(view: &RequestView<'_>) -> Self {
        match sigv2::Claim::parse(view) {
            Ok(Some(claim)) => Self::V2(claim),
            Err(error) => Self::WronglyV2(error),
            Ok(None) => match sigv4::Claim::parse(view) {
                Ok(Some(claim)) => Self::V4(claim),
                Ok(None) => Self::No,
                Err(error) => Self::Wrongly(error),
            },
        }
    }

    pub(super) fn by_nobody(&self) -> bool {
        matches!(self, Self::No)
    }

    /// The service that it is for, as far as it says so.
    pub(super) fn scope(&self) -> Option<&str> {
        match self {
            Self::V4(claim) => Some(&claim.scope.service),
            Self::V2(_) | Self::WronglyV2(_) => Some("s3"),
            Self::No | Self::Wrongly(_) => None,
        }
    }

    pub(super) fn region(&self) -> Option<Region> {
        match self {
            Self::V4(claim) => claim.scope.region.parse().ok(),
            _ => None,
        }
    }

    /// Refuses what tries to be a signature and is none.
    pub(super) fn check(self, worded: impl Fn(SigV4Error) -> ServiceError) -> Result<Self, ServiceError> {
        match self {
            Self::Wrongly(error) => Err(worded(error)),
            Self::WronglyV2(error) => Err(error),
            fine => Ok(fine),
        }
    }
}
