//! A `multipart/form-data` body: its fields, then its file, which streams.

use super::policy::Size;
use crate::{Error, Result};
use danbi_core::{Body, BodyError, ServiceError};
use futures_util::stream;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use multer::{Field, Multipart};

/// The most bytes of all fields before the file together.
const MAX_FIELDS_BYTES: usize = 20 * 1024;
/// The most fields.
const MAX_FIELDS: usize = 256;

/// The fields before the file. Names are in lower case: forms mind no case.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Puts the file's name where the form's author left it to the browser.
    fn fill_in(&mut self, file_name: &str) {
        for (_, value) in self.0.iter_mut().filter(|(_, value)| value.contains("${filename}")) {
            *value = value.replace("${filename}", file_name);
        }
    }

    #[cfg(test)]
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        Self(
            fields
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned()))
                .collect(),
        )
    }
}

/// The file of a form.
pub(super) struct File(Field<'static>);

impl File {
    /// Its content, which breaks off with S3's error when it is not of the right size.
    pub(super) fn content(self, size: Size) -> Body {
        let pieces = stream::try_unfold((self.0, 0_u64), move |(mut field, seen)| async move {
            let Some(data) = field.chunk().await.map_err(broken)? else {
                return match seen < size.min {
                    true => Err(BodyError::from(too_small(seen, size.min))),
                    false => Ok(None),
                };
            };
            let seen = seen + data.len() as u64;
            if seen > size.max {
                return Err(BodyError::from(ServiceError::from(Error::entity_too_large(
                    seen, size.max,
                ))));
            }
            Ok(Some((Frame::data(data), (field, seen))))
        });
        StreamBody::new(pieces).boxed_unsync()
    }
}

/// Reads the fields, up to the file.
///
/// # Errors
/// `MalformedPOSTRequest`, `MaxPostPreDataLengthExceeded`, `InvalidArgument` without a file, `IncompleteBody`.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<(Fields, File)> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| malformed())?;
    let mut form = Multipart::new(body.into_data_stream(), boundary);
    let (mut fields, mut bytes) = (Fields::default(), 0);
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_ascii_lowercase();
        if name == "file" {
            // Browsers of old send the whole path.
            let path = field.file_name().unwrap_or_default().to_owned();
            fields.fill_in(path.rsplit(['/', '\\']).next().unwrap_or_default());
            return Ok((fields, File(field)));
        }
        let mut value = Vec::new();
        while let Some(data) = field.chunk().await.map_err(broken)? {
            bytes += data.len();
            if bytes + name.len() > MAX_FIELDS_BYTES {
                return Err(too_long());
            }
            value.extend_from_slice(&data);
        }
        bytes += name.len();
        if fields.0.len() >= MAX_FIELDS {
            return Err(too_long());
        }
        fields
            .0
            .push((name, String::from_utf8(value).map_err(|_| malformed())?));
    }
    let message = "POST requires exactly one file upload per request.";
    Err(Error::invalid_argument("file", "0", message))
}

/// What a form that breaks off, or is none, is answered.
fn broken(error: multer::Error) -> ServiceError {
    match error {
        multer::Error::StreamReadFailed(error) => ServiceError::of_body(error),
        multer::Error::IncompleteFieldData { .. } | multer::Error::IncompleteStream => Error::incomplete_body().into(),
        _ => malformed().into(),
    }
}

fn malformed() -> Error {
    let message = "The body of your POST request is not well-formed multipart/form-data.";
    Error::client("MalformedPOSTRequest", 400, message)
}

fn too_long() -> Error {
    let message = "Your POST request fields preceding the upload file were too large.";
    Error::client("MaxPostPreDataLengthExceeded", 400, message)
        .with("MaxPostPreDataLengthBytes", MAX_FIELDS_BYTES.to_string())
}

fn too_small(proposed: u64, min: u64) -> ServiceError {
    let message = "Your proposed upload is smaller than the minimum allowed size";
    ServiceError::client("EntityTooSmall", 400, message)
        .with("ProposedSize", proposed.to_string())
        .with("MinSizeAllowed", min.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::{full_body, read_body};

    async fn form(text: &str) -> Result<(Fields, File)> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=x".parse().unwrap());
        read(&headers, full_body(text.replace('\n', "\r\n"))).await
    }

    const TWO: &str = "--x\nContent-Disposition: form-data; name=\"Key\"\n\na/${filename}\n--x\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"C:\\\\dir\\\\f.txt\"\n\ncontent\n--x\n\
        Content-Disposition: form-data; name=\"submit\"\n\nlate\n--x--\n";

    #[tokio::test]
    async fn fields_come_first_and_the_file_streams_within_its_size() {
        let (fields, file) = form(TWO).await.unwrap();
        assert_eq!((fields.get("key"), fields.names().count()), (Some("a/f.txt"), 1));
        let read = |size| async move {
            let (_, file) = form(TWO).await.unwrap();
            match read_body(file.content(size), 100).await {
                Ok(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                Err(danbi_core::ReadBodyError::Broken(error)) => ServiceError::of_body(error).code.to_owned(),
                Err(error) => error.to_string(),
            }
        };
        drop(file);
        assert_eq!(read(Size { min: 7, max: 7 }).await, "content");
        assert_eq!(read(Size { min: 8, max: 9 }).await, "EntityTooSmall");
        assert_eq!(read(Size { min: 0, max: 6 }).await, "EntityTooLarge");
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
        let code = async |text: &str| form(text).await.err().and_then(|error| error.code());
        let head = "--x\nContent-Disposition: form-data; name=\"a\"\n\n";
        assert_eq!(code(&format!("{head}b\n--x--\n")).await, Some("InvalidArgument"));
        assert_eq!(code(&format!("{head}b")).await, Some("IncompleteBody"));
        let long = format!("{head}{}\n--x--\n", "b".repeat(MAX_FIELDS_BYTES));
        assert_eq!(code(&long).await, Some("MaxPostPreDataLengthExceeded"));
    }
}
