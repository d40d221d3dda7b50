//! Static sites: the files of a function's code, without any process.

use danbi_core::{Body, BodyError, empty_body, full_body};
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Component, Path, PathBuf};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

/// How much of a file is read at once.
const CHUNK: usize = 64 * 1024;

/// A folder of files that are served as they are.
///
/// `index.html` stands for its folder and `404.html` for what is missing. Nothing outside the folder is ever read: names
/// are taken apart before they are used, and links that lead outward are not followed.
#[derive(Debug, Clone)]
pub(crate) struct StaticSite {
    root: PathBuf,
    /// Names the content: a file has another ETag when the code is another one.
    digest: String,
}

/// A file that was found.
struct Found {
    path: PathBuf,
    length: u64,
    /// The path below the root: with the digest, the file's identity.
    name: PathBuf,
}

enum Lookup {
    File(Found),
    /// A folder, asked for without its slash.
    Folder,
    Missing,
}

impl StaticSite {
    /// Serves the folder `below` of the unpacked code with this digest; `None` when that is no folder in it.
    pub(crate) async fn open(code: &Path, below: &str, digest: &str) -> Option<Self> {
        let inner = clean(below.trim_start_matches('/'))?;
        let code = tokio::fs::canonicalize(code).await.ok()?;
        let root = tokio::fs::canonicalize(code.join(inner)).await.ok()?;
        (root.starts_with(&code) && root.is_dir()).then(|| Self {
            root,
            digest: digest.into(),
        })
    }

    /// Answers a request for a file.
    pub(crate) async fn serve(&self, request: &Parts) -> Response<Body> {
        if request.method != Method::GET && request.method != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let path = request.uri.path();
        match self.find(path).await {
            Lookup::File(found) => self.send(request, found, StatusCode::OK).await,
            Lookup::Folder => {
                let query = request.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
                let name = path.rsplit('/').next().unwrap_or_default();
                let mut response = plain(StatusCode::MOVED_PERMANENTLY, "");
                // Relative, so that it holds under whatever prefix the site is reached by.
                if let Ok(location) = HeaderValue::from_str(&format!("{name}/{query}")) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
                response
            }
            Lookup::Missing => match self.find("/404.html").await {
                Lookup::File(found) => self.send(request, found, StatusCode::NOT_FOUND).await,
                _ => plain(StatusCode::NOT_FOUND, "Not Found"),
            },
        }
    }

    async fn find(&self, path: &str) -> Lookup {
        let decoded = crate::http_event::decode(&path.replace('+', "%2B"));
        let Some(name) = clean(decoded.trim_start_matches('/')) else {
            return Lookup::Missing;
        };
        let Some((real, is_folder, length)) = self.real(&name).await else {
            return Lookup::Missing;
        };
        if !is_folder {
            return if decoded.ends_with('/') {
                Lookup::Missing
            } else {
                Lookup::File(Found {
                    path: real,
                    length,
                    name,
                })
            };
        }
        let index = name.join("index.html");
        match self.real(&index).await {
            Some((_, false, _)) if !decoded.ends_with('/') && !name.as_os_str().is_empty() => Lookup::Folder,
            Some((path, false, length)) => Lookup::File(Found {
                path,
                length,
                name: index,
            }),
            _ => Lookup::Missing,
        }
    }

    /// The true path of `name`, whether it is a folder, and its length; `None` when it is not there or leads outward.
    async fn real(&self, name: &Path) -> Option<(PathBuf, bool, u64)> {
        let real = tokio::fs::canonicalize(self.root.join(name)).await.ok()?;
        if !real.starts_with(&self.root) {
            return None;
        }
        let metadata = tokio::fs::metadata(&real).await.ok()?;
        (metadata.is_file() || metadata.is_dir()).then(|| (real, metadata.is_dir(), metadata.len()))
    }

    async fn send(&self, request: &Parts, found: Found, status: StatusCode) -> Response<Body> {
        let etag = self.etag(&found.name);
        let mut response = Response::new(empty_body());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(content_type(&found.name)),
        );
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=0, must-revalidate"),
        );
        if let Ok(value) = HeaderValue::from_str(&etag) {
            headers.insert(header::ETAG, value);
        }
        if status == StatusCode::OK && matches(&request.headers, header::IF_NONE_MATCH, &etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let mut part = (0, found.length);
        let current =
            !request.headers.contains_key(header::IF_RANGE) || matches(&request.headers, header::IF_RANGE, &etag);
        if status == StatusCode::OK && current && request.method == Method::GET {
            match range(&request.headers, found.length) {
                Range::Whole => {}
                Range::Part(start, end) => {
                    part = (start, end);
                    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                    insert_text(
                        &mut response,
                        header::CONTENT_RANGE,
                        &format!("bytes {start}-{}/{}", end - 1, found.length),
                    );
                }
                Range::Unsatisfiable => {
                    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                    insert_text(
                        &mut response,
                        header::CONTENT_RANGE,
                        &format!("bytes */{}", found.length),
                    );
                    return response;
                }
            }
        }
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, (part.1 - part.0).into());
        if request.method == Method::GET {
            match file_body(&found.path, part.0, part.1 - part.0).await {
                Ok(body) => *response.body_mut() = body,
                Err(error) => {
                    tracing::warn!(path = %found.path.display(), %error, "a file of a static site could not be read");
                    return plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
                }
            }
        }
        response
    }

    /// The code never changes under its digest, so digest and name together are a strong validator.
    fn etag(&self, name: &Path) -> String {
        let hash = Sha256::digest(format!("{}\n{}", self.digest, name.display()));
        format!("\"{}\"", danbi_core::hex::encode(&hash[..16]))
    }
}

/// A relative path without anything that leads elsewhere.
fn clean(path: &str) -> Option<PathBuf> {
    if path.contains('\0') {
        return None;
    }
    let mut clean = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(clean)
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(full_body(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

fn insert_text(response: &mut Response<Body>, name: header::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}

fn matches(headers: &HeaderMap, name: header::HeaderName, etag: &str) -> bool {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|value| value == "*" || value.trim_start_matches("W/") == etag)
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    /// From the first byte to the one behind the last.
    Part(u64, u64),
    Unsatisfiable,
}

/// Reads `Range`: one range of bytes; several, or other units, are answered with the whole file, as they may be.
fn range(headers: &HeaderMap, length: u64) -> Range {
    let Some(text) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Range::Whole;
    };
    let Some((start, end)) = text
        .strip_prefix("bytes=")
        .filter(|spec| !spec.contains(','))
        .and_then(|spec| spec.split_once('-'))
    else {
        return Range::Whole;
    };
    let range = match (start.trim().parse::<u64>(), end.trim().parse::<u64>()) {
        (Ok(start), Ok(end)) if start <= end => (start, end.saturating_add(1).min(length)),
        (Ok(start), Err(_)) if end.trim().is_empty() => (start, length),
        (Err(_), Ok(suffix)) if start.trim().is_empty() => (length.saturating_sub(suffix), length),
        _ => return Range::Whole,
    };
    if range.0 < range.1 {
        Range::Part(range.0, range.1)
    } else {
        Range::Unsatisfiable
    }
}

async fn file_body(path: &Path, start: u64, length: u64) -> io::Result<Body> {
    let mut file = File::open(path).await?;
    file.seek(SeekFrom::Start(start)).await?;
    if length <= CHUNK as u64 {
        let mut bytes = Vec::with_capacity(CHUNK.min(usize::try_from(length).unwrap_or(CHUNK)));
        file.take(length).read_to_end(&mut bytes).await?;
        return Ok(full_body(bytes));
    }
    let chunks = stream::unfold(file.take(length), |mut file| async move {
        let mut chunk = vec![0; CHUNK];
        match file.read(&mut chunk).await {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some((Ok(Frame::data(chunk.into())), file))
            }
            Err(error) => Some((Err(BodyError::from(error)), file)),
        }
    });
    Ok(StreamBody::new(chunks).boxed_unsync())
}

fn content_type(name: &Path) -> &'static str {
    let extension = name
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    match extension.as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" | "cjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "xml" => "application/xml",
        "atom" => "application/atom+xml",
        "rss" => "application/rss+xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "bmp" => "image/bmp",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    async fn site() -> (tempfile::TempDir, StaticSite) {
        let dir = tempfile::tempdir().unwrap();
        let public = dir.path().join("code/public");
        fs::create_dir_all(public.join("docs/empty")).unwrap();
        fs::write(dir.path().join("secret"), "outside").unwrap();
        fs::write(dir.path().join("code/app.py"), "not public").unwrap();
        fs::write(public.join("index.html"), "<h1>hi</h1>").unwrap();
        fs::write(public.join("docs/index.html"), "docs").unwrap();
        fs::write(public.join("a b.txt"), "0123456789").unwrap();
        fs::write(public.join("large.bin"), vec![7; 3 * CHUNK + 1]).unwrap();
        symlink("../../secret", public.join("link")).unwrap();
        let site = StaticSite::open(&dir.path().join("code"), "public", "d1")
            .await
            .unwrap();
        (dir, site)
    }

    async fn get(site: &StaticSite, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, bytes::Bytes) {
        let mut request = http::Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, body) = site.serve(&request.body(()).unwrap().into_parts().0).await.into_parts();
        (
            parts.status.as_u16(),
            parts.headers,
            body.collect().await.unwrap().to_bytes(),
        )
    }

    #[tokio::test]
    async fn files_folders_and_what_is_missing() {
        let (dir, site) = site().await;
        let (status, headers, body) = get(&site, "/", &[]).await;
        assert_eq!((status, body.as_ref()), (200, &b"<h1>hi</h1>"[..]));
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(get(&site, "/docs/", &[]).await.2, "docs");
        let (status, headers, _) = get(&site, "/docs?x=1", &[]).await;
        assert_eq!((status, headers["location"].to_str().unwrap()), (301, "docs/?x=1"));
        assert_eq!(get(&site, "/a%20b.txt", &[]).await.2, "0123456789");
        assert_eq!(get(&site, "/docs/empty/", &[]).await.0, 404);
        fs::write(dir.path().join("code/public/404.html"), "gone").unwrap();
        let (status, _, body) = get(&site, "/nothing", &[("range", "bytes=0-1")]).await;
        assert_eq!((status, body.as_ref()), (404, &b"gone"[..]));
        assert_eq!(get(&site, "/large.bin", &[]).await.2.len(), 3 * CHUNK + 1);
    }

    #[tokio::test]
    async fn nothing_outside_is_read() {
        let (_dir, site) = site().await;
        for path in [
            "/../app.py",
            "/%2e%2e/app.py",
            "/..%2fapp.py",
            "/link",
            "//etc/passwd",
            "/docs/../../app.py",
            "/%00",
        ] {
            assert_eq!(get(&site, path, &[]).await.0, 404, "{path}");
        }
        assert!(StaticSite::open(&site.root, "../..", "d").await.is_none());
    }

    #[tokio::test]
    async fn what_the_client_has_is_not_sent_again() {
        let (_dir, site) = site().await;
        let etag = get(&site, "/", &[]).await.1["etag"].to_str().unwrap().to_owned();
        assert_eq!(get(&site, "/", &[("if-none-match", &etag)]).await.0, 304);
        assert_eq!(get(&site, "/", &[("if-none-match", "\"other\"")]).await.0, 200);
        let other = StaticSite {
            digest: "d2".into(),
            ..site.clone()
        };
        assert_eq!(get(&other, "/", &[("if-none-match", &etag)]).await.0, 200);
    }

    #[tokio::test]
    async fn parts_of_files() {
        let (_dir, site) = site().await;
        let part = async |range: &str| {
            let (status, headers, body) = get(&site, "/a%20b.txt", &[("range", range)]).await;
            let of = headers
                .get("content-range")
                .map(|value| value.to_str().unwrap().to_owned())
                .unwrap_or_default();
            (status, of, String::from_utf8(body.to_vec()).unwrap())
        };
        assert_eq!(part("bytes=2-4").await, (206, "bytes 2-4/10".into(), "234".into()));
        assert_eq!(part("bytes=7-").await, (206, "bytes 7-9/10".into(), "789".into()));
        assert_eq!(part("bytes=-2").await, (206, "bytes 8-9/10".into(), "89".into()));
        assert_eq!(part("bytes=5-99").await, (206, "bytes 5-9/10".into(), "56789".into()));
        assert_eq!(part("bytes=10-").await.0, 416);
        assert_eq!(part("bytes=0-1,3-4").await.0, 200);
        assert_eq!(part("lines=1-2").await.0, 200);
    }
}
