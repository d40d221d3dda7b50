//! What becomes of a list of parts: their checksum, their entity tag, their bytes in a row.

use crate::checksum::{ChecksumAlgorithm, ChecksumType, ChecksumValue, Combiner, multipart_etag};
use crate::ids::ContentId;
use crate::records::{self, Checksum, Content, Extent, ExtentPage, Part};
use crate::{Error, Result, keys};
use danbi_store::Transaction;

/// Parts that follow each other, taken one by one.
pub(super) struct Joined {
    combiner: Option<(ChecksumAlgorithm, ChecksumType, Combiner)>,
    /// Whether clients see the checksums of the parts.
    show_checksums: bool,
    etags: Vec<[u8; 16]>,
    extents: Vec<Extent>,
    pub(super) size: u64,
}

impl Joined {
    /// Begins. `checksum` is that of the upload; without one, the object gets a CRC-64/NVME.
    pub(super) fn new(checksum: Option<(ChecksumAlgorithm, ChecksumType)>) -> Self {
        let (algorithm, kind) = checksum.unwrap_or((ChecksumAlgorithm::Crc64nvme, ChecksumType::FullObject));
        Self {
            combiner: Combiner::new(algorithm, kind).map(|combiner| (algorithm, kind, combiner)),
            show_checksums: checksum.is_some(),
            etags: Vec::new(),
            extents: Vec::new(),
            size: 0,
        }
    }

    /// Takes the next part.
    ///
    /// # Errors
    /// [`Error::Damaged`] when its record is none.
    pub(super) fn push(&mut self, number: u32, part: Part) -> Result<()> {
        let damaged = || Error::Damaged(format!("part {number} has a record that cannot be"));
        self.etags.push(md5_of(&part.etag).ok_or_else(damaged)?);
        self.size += part.size;
        // A part without the checksum that all others have leaves the object without one.
        let value = self.combiner.as_ref().zip(part.checksum.as_ref());
        let value = value.and_then(|((algorithm, ..), checksum)| {
            let same = checksum.algorithm == algorithm.name();
            same.then(|| ChecksumValue::from_base64(*algorithm, &checksum.value))
                .flatten()
        });
        match (&mut self.combiner, value) {
            (Some((.., combiner)), Some(value)) => combiner.push(&value, part.size),
            (combiner, _) => *combiner = None,
        }
        if let Some(mut extent) = part.extent.filter(|_| part.size > 0) {
            extent.part = number;
            extent.checksum = part
                .checksum
                .filter(|_| self.show_checksums)
                .map(|checksum| checksum.value);
            self.extents.push(extent);
        }
        Ok(())
    }

    pub(super) fn etag(&self) -> String {
        multipart_etag(&self.etags)
    }

    pub(super) fn count(&self) -> u32 {
        // At most 10,000.
        self.etags.len() as u32
    }

    /// The checksum of the whole.
    pub(super) fn take_checksum(&mut self) -> Option<Checksum> {
        let (algorithm, kind, combiner) = self.combiner.take()?;
        Some(Checksum {
            algorithm: algorithm.name().into(),
            value: combiner.finish()?,
            composite: kind == ChecksumType::Composite,
        })
    }

    /// Writes where the bytes are: nothing, one extent, or pages of them. The blobs keep their holders, so nothing has to
    /// be written for each.
    pub(super) fn store(&self, tx: &Transaction, id: ContentId) -> Result<Content> {
        match self.extents.as_slice() {
            [] => Ok(Content::Empty),
            [only] => Ok(Content::Whole(only.clone())),
            many => {
                let mut offset = 0;
                for extents in many.chunks(ExtentPage::LENGTH) {
                    let page = ExtentPage {
                        extents: extents.to_vec(),
                    };
                    tx.put(&keys::extent_page(&id, offset), records::encode(&page)?)?;
                    offset += extents.iter().map(|extent| extent.size).sum::<u64>();
                }
                Ok(Content::Spread(id))
            }
        }
    }
}

/// The MD5 in an entity tag of a part.
pub(super) fn md5_of(etag: &str) -> Option<[u8; 16]> {
    danbi_core::hex::decode_array(etag)
}
