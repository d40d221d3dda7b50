//! Bytes up and down, in parts of bounded size, several at a time. What is in memory does not grow with the object.

use super::folder::PARTIAL;
use super::location::Remote;
use super::media_type;
use crate::cli::failure::Failure;
use crate::cli::platform::{ObjectHead, Platform};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::Semaphore;

/// The smallest part, and the largest object that goes in one request.
const PART_BYTES: u64 = 16 << 20;
/// S3 takes 10,000 parts; sizes are chosen so that so many do.
const MOST_PARTS: u64 = 9_000;
/// Parts of all files together that are on their way.
const PARTS_AT_ONCE: usize = 4;
/// The largest object of S3.
const LARGEST: u64 = 5 << 40;

/// Bytes of each part of an object of `size` bytes.
pub fn part_bytes(size: u64) -> u64 {
    size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20).max(PART_BYTES)
}

/// The transfers of one verb.
#[derive(Clone)]
pub struct Transfers {
    platform: Platform,
    permits: Arc<Semaphore>,
    bar: ProgressBar,
}

impl Transfers {
    /// Shows its progress on `bar`.
    pub fn new(platform: &Platform, bar: ProgressBar) -> Self {
        Self {
            platform: platform.clone(),
            permits: Arc::new(Semaphore::new(PARTS_AT_ONCE)),
            bar,
        }
    }

    /// Stores a file as an object; its ETag. Nothing is visible before all of it is there.
    pub async fn upload(&self, path: &Path, to: &Remote) -> Result<String, Failure> {
        let unreadable = |error: std::io::Error| Failure::new(format!("cannot read {}", path.display()), error);
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        if size > LARGEST {
            return Err(Failure::new(
                format!("cannot put {}", path.display()),
                "an object has at most 5 TiB",
            ));
        }
        let media_type = media_type::of(&to.key);
        let file = Arc::new((file, path.to_owned()));
        if size <= PART_BYTES {
            let _permit = self.permit().await?;
            let body = read_at(file, 0, size).await?;
            let etag = self.platform.put_object(&to.bucket, &to.key, body, media_type).await?;
            self.bar.inc(size);
            return Ok(etag);
        }
        let part = part_bytes(size);
        let parts = (0..size.div_ceil(part)).map(|index| (index, part.min(size - index * part)));
        let parts = parts.map(|(index, bytes)| read_at(Arc::clone(&file), index * part, bytes));
        self.multipart(stream::iter(parts), to, media_type).await
    }

    /// Stores bytes that are in memory already as an object; its ETag.
    pub async fn upload_bytes(&self, body: Bytes, to: &Remote) -> Result<String, Failure> {
        let part = part_bytes(body.len() as u64) as usize;
        let parts = (0..body.len().div_ceil(part)).map(|index| {
            let end = body.len().min((index + 1) * part);
            std::future::ready(Ok(body.slice(index * part..end)))
        });
        self.multipart(stream::iter(parts), to, None).await
    }

    /// Stores what standard input yields as an object; its ETag and size.
    pub async fn upload_input(&self, to: &Remote) -> Result<(String, u64), Failure> {
        let first = read_input(PART_BYTES).await?;
        let media_type = media_type::of(&to.key);
        if (first.len() as u64) < PART_BYTES {
            let size = first.len() as u64;
            let etag = self.platform.put_object(&to.bucket, &to.key, first, media_type).await?;
            return Ok((etag, size));
        }
        // Parts double in size so that 10,000 of them hold the largest object.
        let parts = stream::try_unfold((Some(first), 1_u32), |(first, count)| async move {
            let body = match first {
                Some(first) => first,
                None => read_input(PART_BYTES << (count / 1_000).min(8)).await?,
            };
            Ok::<_, Failure>((!body.is_empty()).then_some((body, (None, count + 1))))
        });
        let mut size = 0;
        let parts = parts.inspect_ok(|body| size += body.len() as u64);
        let etag = self.multipart(parts.map(std::future::ready), to, media_type).await?;
        Ok((etag, size))
    }

    async fn multipart<P>(
        &self,
        parts: impl stream::Stream<Item = P>,
        to: &Remote,
        media_type: Option<&str>,
    ) -> Result<String, Failure>
    where
        P: Future<Output = Result<Bytes, Failure>>,
    {
        let upload = self.platform.begin_upload(&to.bucket, &to.key, media_type).await?;
        let upload_ref = &upload;
        let sent = parts.enumerate().map(|(index, body)| async move {
            let _permit = self.permit().await?;
            let body = body.await?;
            let bytes = body.len() as u64;
            let etag = self
                .platform
                .put_part(&to.bucket, &to.key, upload_ref, index + 1, body)
                .await?;
            self.bar.inc(bytes);
            Ok::<_, Failure>(etag)
        });
        let whole = async {
            let etags: Vec<String> = sent.buffered(PARTS_AT_ONCE).try_collect().await?;
            self.platform
                .complete_upload(&to.bucket, &to.key, &upload, &etags)
                .await
        };
        let outcome = tokio::select! {
            outcome = whole => outcome,
            _ = tokio::signal::ctrl_c() => Err(Failure::new(format!("cannot put {to}"), "it was interrupted")),
        };
        if outcome.is_err() {
            // The failure itself is what matters; parts that stay are the bucket's lifecycle's.
            let _ = self.platform.abort_upload(&to.bucket, &to.key, &upload).await;
        }
        outcome
    }

    /// Stores an object as the file `to`, whole or not at all. The file gets the time `stored`, when that is known.
    pub async fn download(
        &self,
        from: &Remote,
        head: &ObjectHead,
        to: &Path,
        stored: Option<SystemTime>,
    ) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot write {}", to.display()), error).next("choose another place")
        };
        if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let partial = Partial(with_ending(to));
        let file = File::create(&partial.0).map_err(failed)?;
        let file = Arc::new(file);
        let written = stream::iter(ranges(head.size)).map(|(from_byte, bytes)| {
            let file = Arc::clone(&file);
            async move {
                let _permit = self.permit().await?;
                let body = self.part(from, head, from_byte, bytes).await?;
                blocking(move || file.write_all_at(&body, from_byte))
                    .await
                    .map_err(failed)?;
                self.bar.inc(bytes);
                Ok::<_, Failure>(())
            }
        });
        written.buffer_unordered(PARTS_AT_ONCE).try_collect::<Vec<()>>().await?;
        if let Some(stored) = stored {
            file.set_modified(stored).map_err(failed)?;
        }
        fs::rename(&partial.0, to).map_err(failed)
    }

    /// Writes an object to standard output.
    pub async fn print(&self, from: &Remote, head: &ObjectHead) -> Result<(), Failure> {
        let parts = stream::iter(ranges(head.size)).map(|(from_byte, bytes)| self.part(from, head, from_byte, bytes));
        let mut parts = std::pin::pin!(parts.buffered(PARTS_AT_ONCE));
        while let Some(body) = parts.try_next().await? {
            let bytes = body.len() as u64;
            let written = blocking(move || {
                let mut out = std::io::stdout().lock();
                out.write_all(&body).and_then(|()| out.flush())
            });
            match written.await {
                Ok(()) => self.bar.inc(bytes),
                // `danbi files get … - | head` has read enough.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(Failure::new("cannot write to standard output", error)),
            }
        }
        Ok(())
    }

    async fn part(&self, from: &Remote, head: &ObjectHead, from_byte: u64, bytes: u64) -> Result<Bytes, Failure> {
        let range = from_byte..from_byte + bytes;
        match self.platform.get_part(&from.bucket, &from.key, &head.etag, range).await {
            Err(failure) if failure.is("PreconditionFailed") => Err(Failure::new(
                format!("cannot get {from}"),
                "it was overwritten in the meantime",
            )
            .next("run the command again")),
            outcome => outcome,
        }
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Failure> {
        self.permits
            .acquire()
            .await
            .map_err(|error| Failure::new("cannot go on", error))
    }
}

/// A download under way; its file goes when it does not come to its end.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // It bears its real name by now, when all went well.
        let _ = fs::remove_file(&self.0);
    }
}

fn with_ending(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(PARTIAL);
    path.with_file_name(name)
}

/// Start and length of the pieces that an object is got in.
fn ranges(size: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..size.div_ceil(PART_BYTES)).map(move |index| {
        let from = index * PART_BYTES;
        (from, PART_BYTES.min(size - from))
    })
}

async fn read_at(file: Arc<(File, PathBuf)>, from: u64, bytes: u64) -> Result<Bytes, Failure> {
    let path = file.1.clone();
    let read = blocking(move || {
        let mut body = vec![0; bytes as usize];
        file.0.read_exact_at(&mut body, from)?;
        Ok(Bytes::from(body))
    });
    read.await.map_err(|error| {
        Failure::new(format!("cannot read {}", path.display()), error).next("it may have been cut while it was read")
    })
}

async fn read_input(bytes: u64) -> Result<Bytes, Failure> {
    let read = blocking(move || {
        let mut body = Vec::new();
        std::io::stdin().lock().take(bytes).read_to_end(&mut body)?;
        Ok(Bytes::from(body))
    });
    read.await
        .map_err(|error| Failure::new("cannot read standard input", error))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_fits_into_the_parts_that_s3_takes() {
        for size in [1, PART_BYTES, PART_BYTES + 1, 200 << 30, LARGEST] {
            let part = part_bytes(size);
            assert!(
                size.div_ceil(part) <= 10_000 && (PART_BYTES..=5 << 30).contains(&part),
                "{size}"
            );
        }
        let all: Vec<_> = ranges(PART_BYTES + 3).collect();
        assert_eq!(all, [(0, PART_BYTES), (PART_BYTES, 3)]);
        assert_eq!(ranges(0).count(), 0);
    }
}
