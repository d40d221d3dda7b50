//! HTTP/1.1 as far as a benchmark needs it: whole requests out, whole answers in, over a connection that is kept.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where the server is; always this machine.
#[derive(Debug, Clone, Copy)]
pub struct Address {
    /// Its port.
    pub port: u16,
}

/// A connection to the server, and what was read of it.
pub struct Connection {
    address: Address,
    stream: Option<TcpStream>,
    read: Vec<u8>,
    /// How often the server closed it and it was opened again.
    pub reopened: u64,
}

/// What was answered.
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

struct Head {
    status: u16,
    /// Where the body begins.
    body: usize,
    length: Length,
    closes: bool,
}

enum Length {
    Bytes(usize),
    Chunked,
}

impl Connection {
    /// A connection that is opened with its first request.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            stream: None,
            read: Vec::with_capacity(64 * 1024),
            reopened: 0,
        }
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&mut self, request: &[u8]) -> Result<Answer<'_>, String> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(("127.0.0.1", self.address.port)).await;
            let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().ok_or("not connected")?;
        let told = |error: std::io::Error| format!("the connection broke: {error}");
        stream.write_all(request).await.map_err(told)?;
        self.read.clear();
        let head = loop {
            if let Some(head) = head(&self.read)? {
                break head;
            }
            if stream.read_buf(&mut self.read).await.map_err(told)? == 0 {
                return Err("the connection was closed before an answer".into());
            }
        };
        let end = match head.length {
            Length::Bytes(bytes) => {
                let end = head.body + bytes;
                self.read.reserve(end.saturating_sub(self.read.len()));
                while self.read.len() < end {
                    if stream.read_buf(&mut self.read).await.map_err(told)? == 0 {
                        return Err("the connection was closed within an answer".into());
                    }
                }
                end
            }
            Length::Chunked => loop {
                if let Some(end) = unchunk(&mut self.read, head.body)? {
                    break end;
                }
                if stream.read_buf(&mut self.read).await.map_err(told)? == 0 {
                    return Err("the connection was closed within an answer".into());
                }
            },
        };
        if head.closes {
            self.stream = None;
            self.reopened += 1;
        }
        Ok(Answer {
            status: head.status,
            body: &self.read[head.body..end],
        })
    }
}

fn head(read: &[u8]) -> Result<Option<Head>, String> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&read[..end]).map_err(|_| "a head that is no text")?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut found = Head {
        status: status.ok_or_else(|| format!("no status in {first:?}"))?,
        body: end + 4,
        length: Length::Bytes(0),
        closes: first.starts_with("HTTP/1.0"),
    };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            found.length = Length::Bytes(value.parse().map_err(|_| "a length that is none")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            found.length = Length::Chunked;
        } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
            found.closes = true;
        }
    }
    Ok(Some(found))
}

/// Once all chunks are there: joins them at `body` and gives the end of what they carried.
fn unchunk(read: &mut [u8], body: usize) -> Result<Option<usize>, String> {
    let mut pieces = Vec::new();
    let mut at = body;
    loop {
        let Some(line) = read[at..].windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let size = std::str::from_utf8(&read[at..at + line]).unwrap_or_default();
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| format!("a chunk of {size:?} bytes"))?;
        let from = at + line + 2;
        if read.len() < from + size + 2 {
            return Ok(None);
        }
        if size == 0 {
            break;
        }
        pieces.push(from..from + size);
        at = from + size + 2;
    }
    let mut end = body;
    for piece in pieces {
        let length = piece.len();
        read.copy_within(piece, end);
        end += length;
    }
    Ok(Some(end))
}
