//! How a package comes to the platform: in the request itself, or, where that is too small for it, by way of S3.

use super::failure::Failure;
use super::files::{Remote, Transfers};
use super::output::{Output, size};
use super::platform::{Code, Platform};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use danbi_deploy::Package;
use indicatif::ProgressBar;

/// The largest archive that Lambda takes in a request (its quota "50 MB zipped, for direct upload").
const DIRECT_BYTES: usize = 50 << 20;

/// A package on its way.
pub struct Upload {
    /// What Lambda is told.
    pub code: Code,
    /// Shows how much of the request is sent.
    pub bar: ProgressBar,
}

impl Upload {
    /// Makes `packed` fit for a request: as it is, or as an object of the bucket that deploys share, which
    /// [`Upload::end`] removes.
    ///
    /// # Errors
    /// When the object cannot be stored.
    pub async fn begin(platform: &Platform, name: &str, packed: &Package, output: &Output) -> Result<Upload, Failure> {
        let bytes = packed.archive.len();
        if bytes <= DIRECT_BYTES {
            return Ok(Upload {
                code: Code::Inline(BASE64.encode(&packed.archive)),
                bar: output.bar("uploading", bytes as u64),
            });
        }
        let account = platform.account().await?;
        let to = Remote {
            bucket: format!("danbi-deploy-{account}-{}", platform.region),
            key: format!("{name}/{}.zip", danbi_core::hex::encode(packed.sha256)),
        };
        if platform.head_object(&to.bucket, "").await?.is_none() {
            platform.create_bucket(&to.bucket).await?;
        }
        let bar = output.bar("uploading", bytes as u64);
        Transfers::new(platform, bar)
            .upload_bytes(packed.archive.clone().into(), &to)
            .await?;
        let Remote { bucket, key } = to;
        Ok(Upload {
            code: Code::Object { bucket, key },
            bar: output.bar(&format!("taking {} from S3", size(bytes as u64)), 0),
        })
    }

    /// Removes what was stored for the request's sake: the function has a copy of its own.
    pub async fn end(self, platform: &Platform) {
        if let Code::Object { bucket, key } = &self.code {
            // What stays costs room and nothing else; the next deploy of the same package overwrites it.
            let _ = platform.delete_object(bucket, key).await;
        }
    }
}
