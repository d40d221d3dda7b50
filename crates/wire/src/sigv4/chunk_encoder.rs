use super::chunked::ChunkSignatures;
use danbi_core::hex;

/// Frames a body as `aws-chunked`, with or without signatures. Made by [`super::Signer::sign`].
#[derive(Debug)]
pub struct ChunkEncoder {
    pub(super) signatures: Option<ChunkSignatures>,
    pub(super) trailer: bool,
}

impl ChunkEncoder {
    /// The frame of one chunk. Every chunk but the last must have at least 8192 bytes; an empty one is nothing.
    pub fn chunk(&mut self, data: &[u8]) -> Vec<u8> {
        if data.is_empty() {
            return Vec::new();
        }
        let mut out = self.header(data);
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
        out
    }

    /// The end of the body, with `trailers` (lower-case names) when the payload kind has them.
    pub fn finish(mut self, trailers: &[(&str, &str)]) -> Vec<u8> {
        let mut out = self.header(b"");
        if self.trailer {
            let mut lines = String::new();
            for (name, value) in trailers {
                lines.push_str(&format!("{name}:{value}\n"));
                out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
            }
            if let Some(signatures) = &mut self.signatures {
                let signature = hex::encode(signatures.trailer(lines.as_bytes()));
                out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    fn header(&mut self, data: &[u8]) -> Vec<u8> {
        let mut line = format!("{:x}", data.len());
        if let Some(signatures) = &mut self.signatures {
            let signature = signatures.chunk(super::sha256(data));
            line.push_str(";chunk-signature=");
            line.push_str(&hex::encode(signature));
        }
        line.push_str("\r\n");
        line.into_bytes()
    }
}
