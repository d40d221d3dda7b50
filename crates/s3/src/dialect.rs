//! Whose S3 is spoken, where others answer a request in another way than AWS.
//!
//! AWS's unless the platform is told otherwise. Every difference is a function of this file, so that it can be read as
//! the list of them; nothing else asks which dialect is spoken. All dialects grant and refuse the same things to the same
//! callers: they differ in words, in order, and in how strict a form is.

use crate::Error;
use crate::acl::{Acl, Grantee};
use danbi_core::ServiceError;

/// Whose S3 is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Amazon's.
    #[default]
    Aws,
    /// That of Ceph's Object Gateway (radosgw), for applications that were written for one: as its own tests
    /// (`ceph/s3-tests`) have it.
    Ceph,
}

impl Dialect {
    fn is_ceph(self) -> bool {
        self == Self::Ceph
    }

    /// The grants of a list in the order in which they are shown: as they were given, but Ceph's in the order of the
    /// grantees' ids, where groups have none.
    pub(crate) fn ordered(self, mut list: Acl) -> Acl {
        if self.is_ceph() {
            list.grants
                .sort_by_key(|grant| matches!(grant.grantee, Grantee::User(_)));
        }
        list
    }

    /// Whether GetBucketPolicyStatus tells of buckets without a policy, by their lists.
    pub(crate) fn judges_lists(self) -> bool {
        self.is_ceph()
    }

    /// What is said of a part that an object of `count` parts does not have.
    pub(crate) fn no_such_part(self, wanted: u32, count: u32) -> Error {
        if self.is_ceph() {
            return Error::client("InvalidPart", 400, "The requested part was not found.");
        }
        let message = "The requested partnumber is not satisfiable";
        ServiceError::client("InvalidPartNumber", 416, message)
            .with("ActualPartCount", count.to_string())
            .with("PartNumberRequested", wanted.to_string())
            .into()
    }

    /// What is said of the completion of an upload without parts.
    pub(crate) fn no_parts(self) -> Error {
        match self {
            Self::Aws => Error::invalid_request("You must specify at least one part"),
            Self::Ceph => Error::malformed_xml(),
        }
    }

    /// Whether a completion may name a part twice; the later counts.
    pub(crate) fn repeats_parts(self) -> bool {
        self.is_ceph()
    }

    /// Whether the completion of an upload with a composite checksum has to name each part's once more.
    pub(crate) fn wants_checksums_again(self) -> bool {
        !self.is_ceph()
    }

    /// Whether the completion of an upload under a client's key has to bring the key.
    pub(crate) fn completes_with_key(self) -> bool {
        self.is_ceph()
    }

    /// What is said of the range of a copy that goes past the end of its source.
    pub(crate) fn range_past_end(self, header: &str, size: u64) -> Error {
        let message = format!("Range specified is not valid for source object of size: {size}");
        match self {
            Self::Aws => Error::invalid_argument("x-amz-copy-source-range", header, message),
            Self::Ceph => Error::client("InvalidRange", 416, message),
        }
    }

    /// What is said of more tags than an object can have.
    pub(crate) fn too_many_tags(self) -> Error {
        let code = match self {
            Self::Aws => "BadRequest",
            Self::Ceph => "InvalidTag",
        };
        Error::client(code, 400, "Object tags cannot be greater than 10")
    }

    /// What is said to those who bring another key than the one that an object was stored with.
    pub(crate) fn wrong_customer_key(self) -> Error {
        let message = "Requests specifying Server Side Encryption with Customer provided keys must provide the correct \
                       secret key.";
        match self {
            Self::Aws => Error::client("AccessDenied", 403, message),
            Self::Ceph => Error::invalid_request(message),
        }
    }

    /// What is said of a retention by default that is no time.
    pub(crate) fn no_retention(self) -> Error {
        let code = match self {
            Self::Aws => "InvalidArgument",
            Self::Ceph => "InvalidRetentionPeriod",
        };
        Error::client(code, 400, "Default retention period must be a positive integer value.")
    }

    /// Whether making one's own bucket again is refused when that would change its list.
    pub(crate) fn keeps_lists(self) -> bool {
        self.is_ceph()
    }

    /// Whether GetObjectAttributes lists parts that have no checksum of their own.
    pub(crate) fn lists_plain_parts(self) -> bool {
        self.is_ceph()
    }

    /// Whether GetObjectAttributes shows a composite checksum with the number of its parts, as other operations do.
    pub(crate) fn counts_parts_in_checksums(self) -> bool {
        self.is_ceph()
    }

    /// What is said of an expected owner that cannot be an account.
    pub(crate) fn no_such_owner(self, expected: &str) -> Error {
        if self.is_ceph() {
            return Error::access_denied();
        }
        let message =
            format!("The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]");
        Error::client("InvalidBucketOwnerAWSAccountID", 400, message)
    }
}
