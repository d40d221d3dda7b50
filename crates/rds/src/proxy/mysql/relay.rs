//! Commands and responses on their way through, without a copy of what is large.

use crate::mysql::frame::{FULL, Framed, HEADER, header_of};
use crate::mysql::response::{HEAD, Outcome, Response};
use bytes::Buf;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// Packets up to this size are read whole before they go on; larger ones piece by piece.
const WHOLE: usize = 64 * 1024;
/// How much of a command that the server refused is read to no end.
const MAX_DISCARDED: usize = 256 << 20;
/// How long a server may leave a client of which it takes nothing more without an answer.
const LAST_ANSWER: Duration = Duration::from_secs(10);

/// Which side broke.
#[derive(Debug)]
pub(crate) enum Broken {
    Client,
    Server,
}

fn client(_: io::Error) -> Broken {
    Broken::Client
}

fn server(_: io::Error) -> Broken {
    Broken::Server
}

/// Sends the client's command, which begins in its buffer, to the server with all the packets that it goes on in. A
/// server that closes meanwhile has said why; the response tells.
pub(crate) async fn forward<C, S>(from: &mut Framed<C>, to: &mut S) -> Result<(), Broken>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncWrite + Unpin,
{
    let mut refused = false;
    let mut discarded = 0;
    loop {
        let Some(header) = from.header().await.map_err(client)? else {
            return Err(Broken::Client);
        };
        let mut left = HEADER + header.length;
        while left > 0 {
            if from.buffer.is_empty() && !from.fill(1).await.map_err(client)? {
                return Err(Broken::Client);
            }
            let piece = from.buffer.len().min(left);
            if !refused {
                refused = to.write_all(&from.buffer[..piece]).await.is_err();
            }
            from.buffer.advance(piece);
            left -= piece;
        }
        if header.length < FULL {
            break;
        }
        // The client hears why only once it has said all; what is too much for that is not waited for.
        if refused {
            discarded += header.length;
            if discarded > MAX_DISCARDED {
                return Err(Broken::Client);
            }
        }
    }
    if !refused {
        let _ = to.flush().await;
    }
    Ok(())
}

/// Passes the response on and says how it ended.
pub(crate) async fn respond<S, C>(from: &mut Framed<S>, to: &mut C, mut response: Response) -> Result<Outcome, Broken>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: AsyncWrite + Unpin,
{
    // How much of the buffer is judged and not sent yet.
    let mut judged = 0;
    loop {
        let rest = &from.buffer[judged..];
        let needed = if rest.len() < HEADER {
            HEADER
        } else {
            let header = header_of(rest);
            if header.length <= WHOLE {
                HEADER + header.length
            } else {
                HEADER + HEAD
            }
        };
        if rest.len() < needed {
            // What is there goes out before more is waited for: the client works while the server does.
            if judged > 0 {
                to.write_all(&from.buffer[..judged]).await.map_err(client)?;
                from.buffer.advance(judged);
                judged = 0;
            }
            if !from.fill(needed).await.map_err(server)? {
                return Err(Broken::Server);
            }
            continue;
        }
        let header = header_of(rest);
        let head = &rest[HEADER..(HEADER + header.length.min(HEAD))];
        let outcome = response.packet(header.length, head);
        if header.length <= WHOLE {
            judged += HEADER + header.length;
        } else {
            to.write_all(&from.buffer[..judged]).await.map_err(client)?;
            from.buffer.advance(judged);
            judged = 0;
            pass(from, to, HEADER + header.length).await?;
        }
        if judged >= WHOLE || outcome.is_some() {
            to.write_all(&from.buffer[..judged]).await.map_err(client)?;
            from.buffer.advance(judged);
            judged = 0;
        }
        if let Some(outcome) = outcome {
            to.flush().await.map_err(client)?;
            return Ok(outcome);
        }
    }
}

async fn pass<S, C>(from: &mut Framed<S>, to: &mut C, mut left: usize) -> Result<(), Broken>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: AsyncWrite + Unpin,
{
    while left > 0 {
        if from.buffer.is_empty() && !from.fill(1).await.map_err(server)? {
            return Err(Broken::Server);
        }
        let piece = from.buffer.len().min(left);
        to.write_all(&from.buffer[..piece]).await.map_err(client)?;
        from.buffer.advance(piece);
        left -= piece;
    }
    Ok(())
}

/// The error that a server says before it closes, if it says one.
pub(crate) async fn last_words<S: AsyncRead + AsyncWrite + Unpin>(from: &mut Framed<S>) -> Option<Vec<u8>> {
    let reading = tokio::time::timeout(LAST_ANSWER, from.packet(WHOLE));
    let (_, payload) = reading.await.ok()?.ok()?;
    (payload.first() == Some(&0xff)).then(|| payload.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::command;
    use crate::mysql::frame::frame;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_response_goes_through_as_it_is_and_ends_where_it_ends() {
        let (mut server_end, proxy_server) = tokio::io::duplex(1000);
        let (mut proxy_client, mut client_end) = tokio::io::duplex(1 << 20);
        let eof = [0xfe, 0, 0, 2, 0];
        let row = vec![b'x'; 200_000];
        let mut long = vec![0xfd];
        long.extend(&200_000_u32.to_le_bytes()[..3]);
        long.extend(&row);
        let packets: [&[u8]; 5] = [&[1], b"def", &eof, &long, &eof];
        let said: Vec<u8> = (1..).zip(packets).flat_map(|(at, packet)| frame(at, packet)).collect();
        let expected = said.clone();
        let writing = tokio::spawn(async move { server_end.write_all(&said).await });
        let mut framed = Framed::new(proxy_server);
        let response = Response::to(command::QUERY).unwrap();
        let outcome = respond(&mut framed, &mut proxy_client, response).await.unwrap();
        assert_eq!(outcome.status, Some(2));
        writing.await.unwrap().unwrap();
        drop(proxy_client);
        let mut seen = Vec::new();
        client_end.read_to_end(&mut seen).await.unwrap();
        assert!(seen == expected);
    }
}
