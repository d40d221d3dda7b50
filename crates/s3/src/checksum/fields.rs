//! The members of the API's shapes that carry checksums.

use super::{ChecksumAlgorithm, ChecksumValue};
use crate::records;
use crate::shapes;
use crate::{Error, Result};

/// A shape with a member for the value of each algorithm.
pub(crate) trait ChecksumFields {
    /// The members, in the order of [`ChecksumAlgorithm::ALL`].
    fn values(&self) -> [Option<&str>; 10];

    /// Where the value of an algorithm goes.
    fn slot(&mut self, algorithm: ChecksumAlgorithm) -> &mut Option<String>;

    /// The one value that is set.
    ///
    /// # Errors
    /// `InvalidRequest` for several.
    fn one(&self) -> Result<Option<(ChecksumAlgorithm, &str)>> {
        let mut given = ChecksumAlgorithm::ALL
            .into_iter()
            .zip(self.values())
            .filter_map(|(algorithm, value)| Some((algorithm, value?)));
        let first = given.next();
        if given.next().is_some() {
            let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
            return Err(Error::invalid_request(message));
        }
        Ok(first)
    }

    /// The one value that is set, parsed.
    ///
    /// # Errors
    /// As [`ChecksumFields::one`]; `InvalidRequest` when it is not base64 of the algorithm's length.
    fn one_value(&self) -> Result<Option<ChecksumValue>> {
        let Some((algorithm, text)) = self.one()? else {
            return Ok(None);
        };
        match ChecksumValue::from_base64(algorithm, text) {
            Some(value) => Ok(Some(value)),
            None => Err(invalid_value(algorithm)),
        }
    }

    /// Sets the member of this value.
    fn show(&mut self, value: &ChecksumValue) {
        *self.slot(value.algorithm()) = Some(value.to_base64());
    }

    /// Sets the member of a recorded checksum.
    fn show_recorded(&mut self, checksum: &records::Checksum) {
        if let Some(algorithm) = ChecksumAlgorithm::from_name(&checksum.algorithm) {
            *self.slot(algorithm) = Some(checksum.value.clone());
        }
    }
}

/// A header whose value is none.
pub(crate) fn invalid_value(algorithm: ChecksumAlgorithm) -> Error {
    Error::invalid_request(format!("Value for {} header is invalid.", algorithm.header()))
}

/// Implements [`ChecksumFields`]. A macro because the generated shapes have members of the same names and no trait.
macro_rules! checksum_fields {
    ($($shape:ident),* $(,)?) => {$(
        impl ChecksumFields for shapes::$shape {
            fn values(&self) -> [Option<&str>; 10] {
                [
                    self.checksum_crc32.as_deref(),
                    self.checksum_crc32_c.as_deref(),
                    self.checksum_crc64_nvme.as_deref(),
                    self.checksum_sha1.as_deref(),
                    self.checksum_sha256.as_deref(),
                    self.checksum_sha512.as_deref(),
                    self.checksum_md5.as_deref(),
                    self.checksum_xxhash64.as_deref(),
                    self.checksum_xxhash3.as_deref(),
                    self.checksum_xxhash128.as_deref(),
                ]
            }

            fn slot(&mut self, algorithm: ChecksumAlgorithm) -> &mut Option<String> {
                match algorithm {
                    ChecksumAlgorithm::Crc32 => &mut self.checksum_crc32,
                    ChecksumAlgorithm::Crc32c => &mut self.checksum_crc32_c,
                    ChecksumAlgorithm::Crc64nvme => &mut self.checksum_crc64_nvme,
                    ChecksumAlgorithm::Sha1 => &mut self.checksum_sha1,
                    ChecksumAlgorithm::Sha256 => &mut self.checksum_sha256,
                    ChecksumAlgorithm::Sha512 => &mut self.checksum_sha512,
                    ChecksumAlgorithm::Md5 => &mut self.checksum_md5,
                    ChecksumAlgorithm::Xxhash64 => &mut self.checksum_xxhash64,
                    ChecksumAlgorithm::Xxhash3 => &mut self.checksum_xxhash3,
                    ChecksumAlgorithm::Xxhash128 => &mut self.checksum_xxhash128,
                }
            }
        }
    )*};
}

checksum_fields!(
    Checksum,
    CompleteMultipartUploadOutput,
    CompleteMultipartUploadRequest,
    CompletedPart,
    CopyObjectResult,
    CopyPartResult,
    GetObjectOutput,
    HeadObjectOutput,
    ObjectPart,
    Part,
    PutObjectOutput,
    PutObjectRequest,
    UploadPartOutput,
    UploadPartRequest,
);
