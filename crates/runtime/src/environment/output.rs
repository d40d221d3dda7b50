use crate::log::{EnvironmentLog, LineSplitter};
use std::os::fd::OwnedFd;
use tokio::net::unix::pipe;

/// Bytes read at once; a pipe holds as much.
const CHUNK: usize = 64 * 1024;
/// Bytes that [`Output::drain`] reads at most: what can have been written before an answer, with room to spare.
const DRAIN_LIMIT: usize = 1024 * 1024;

/// One of the process's standard streams.
pub(super) struct Output {
    pipe: Option<pipe::Receiver>,
    splitter: LineSplitter,
}

impl Output {
    /// `pipe` must not block on reading.
    pub(super) fn new(pipe: Option<OwnedFd>) -> std::io::Result<Self> {
        Ok(Self {
            pipe: pipe.map(pipe::Receiver::from_owned_fd).transpose()?,
            splitter: LineSplitter::default(),
        })
    }

    /// Waits until there is something to read; for ever once the stream has ended. Cancel-safe: reads nothing.
    pub(super) async fn readable(&self) {
        match &self.pipe {
            // An error is the runtime shutting down; the read that follows sees it too.
            Some(pipe) => drop(pipe.readable().await),
            None => std::future::pending().await,
        }
    }

    /// Reads one chunk after [`Self::readable`] and hands its lines to the log.
    pub(super) fn read(&mut self, log: &mut EnvironmentLog, buffer: &mut Vec<u8>) {
        let Some(pipe) = &self.pipe else { return };
        buffer.resize(CHUNK, 0);
        match pipe.try_read(&mut buffer[..]) {
            Ok(0) => self.pipe = None,
            Ok(length) => log.printed(&mut self.splitter, &buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.pipe = None,
        }
    }

    /// Reads what is in the pipe now, without waiting. Asks the kernel rather than the
    /// reactor, which may not have heard yet of bytes that were written just before the answer.
    pub(super) fn drain(&mut self, log: &mut EnvironmentLog, buffer: &mut Vec<u8>) {
        buffer.resize(CHUNK, 0);
        let mut left = DRAIN_LIMIT;
        while let Some(pipe) = &self.pipe {
            match rustix::io::read(pipe, &mut buffer[..]) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    log.printed(&mut self.splitter, &buffer[..length]);
                    match left.checked_sub(length) {
                        Some(rest) => left = rest,
                        None => break,
                    }
                }
                Err(_) => break,
            }
        }
    }

    /// Hands over an unfinished line.
    pub(super) fn end_line(&mut self, log: &mut EnvironmentLog) {
        log.flush(&mut self.splitter);
    }
}
