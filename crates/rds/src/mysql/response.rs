//! Where a server's response ends, and what it says of the session; packet by packet, without looking at rows.

use super::frame::{FULL, Fields};
use super::{command, status};

/// How many bytes of a packet [`Response::packet`] looks at.
pub(crate) const HEAD: usize = 32;

/// What a finished response said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    /// Status flags; `None` when the response has none (an error, statistics).
    pub(crate) status: Option<u16>,
    /// The id of the last inserted row, when there was one.
    pub(crate) insert_id: u64,
    pub(crate) is_error: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// OK, ERR, a request for a local file, or the number of columns.
    First,
    /// Definitions, then EOF, then rows until EOF.
    Columns,
    Rows,
    /// OK of a prepared statement.
    Prepared,
    /// Definitions of a prepared statement: so many lists, each with an EOF.
    Definitions(u8),
    /// Any one packet.
    One,
}

/// The response to one command, as far as it has come.
#[derive(Debug)]
pub(crate) struct Response {
    expected: Expected,
    continued: bool,
    insert_id: u64,
}

impl Response {
    /// To `command`; `None` where there is none.
    pub(crate) fn to(command: u8) -> Option<Self> {
        let expected = match command {
            command::STMT_CLOSE | command::STMT_SEND_LONG_DATA | command::QUIT => return None,
            command::STMT_PREPARE => Expected::Prepared,
            command::STMT_FETCH | command::FIELD_LIST => Expected::Rows,
            command::STATISTICS => Expected::One,
            _ => Expected::First,
        };
        Some(Self {
            expected,
            continued: false,
            insert_id: 0,
        })
    }

    /// Takes the next packet: its length and its first [`HEAD`] bytes, or all if it has fewer. Says how it ended, if this
    /// was the last.
    pub(crate) fn packet(&mut self, length: usize, head: &[u8]) -> Option<Outcome> {
        let continues = std::mem::replace(&mut self.continued, length == FULL);
        if continues {
            return None;
        }
        let first = head.first().copied().unwrap_or(0);
        let is_eof = first == 0xfe && length < 9;
        if first == 0xff {
            return Some(Outcome {
                status: None,
                insert_id: self.insert_id,
                is_error: true,
            });
        }
        match self.expected {
            Expected::One => Some(Outcome::default()),
            Expected::First if first == 0 => self.ok(head),
            Expected::First => {
                self.expected = Expected::Columns;
                None
            }
            Expected::Columns if is_eof => {
                let flags = eof_status(head);
                if flags & status::CURSOR != 0 {
                    return self.end(flags);
                }
                self.expected = Expected::Rows;
                None
            }
            Expected::Rows if is_eof => self.end(eof_status(head)),
            Expected::Prepared => {
                let mut fields = Fields(head.get(5..).unwrap_or_default());
                let (columns, parameters) = (fields.u16().unwrap_or(0), fields.u16().unwrap_or(0));
                let lists = u8::from(columns > 0) + u8::from(parameters > 0);
                self.expected = Expected::Definitions(lists);
                (lists == 0).then(Outcome::default)
            }
            Expected::Definitions(left) if is_eof => {
                self.expected = Expected::Definitions(left.saturating_sub(1));
                (left <= 1).then(|| Outcome {
                    status: Some(eof_status(head)),
                    ..Outcome::default()
                })
            }
            Expected::Columns | Expected::Rows | Expected::Definitions(_) => None,
        }
    }

    fn ok(&mut self, head: &[u8]) -> Option<Outcome> {
        let mut fields = Fields(head.get(1..).unwrap_or_default());
        let _affected = fields.length();
        let insert_id = fields.length().unwrap_or(0);
        if insert_id != 0 {
            self.insert_id = insert_id;
        }
        self.end(fields.u16().unwrap_or(0))
    }

    fn end(&mut self, flags: u16) -> Option<Outcome> {
        if flags & status::MORE_RESULTS != 0 {
            self.expected = Expected::First;
            return None;
        }
        Some(Outcome {
            status: Some(flags),
            insert_id: self.insert_id,
            is_error: false,
        })
    }
}

fn eof_status(head: &[u8]) -> u16 {
    Fields(head.get(3..).unwrap_or_default()).u16().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: u8, packets: &[&[u8]]) -> (usize, Option<Outcome>) {
        let mut response = Response::to(command).unwrap();
        for (at, packet) in packets.iter().enumerate() {
            if let Some(outcome) = response.packet(packet.len(), packet) {
                return (at + 1, Some(outcome));
            }
        }
        (packets.len(), None)
    }

    const EOF: &[u8] = &[0xfe, 0, 0, 3, 0];
    const OK: &[u8] = &[0, 1, 9, 2, 0, 0, 0];

    #[test]
    fn responses_end_where_they_end() {
        let ok = run(command::QUERY, &[OK]);
        assert_eq!(
            ok.1.map(|outcome| (outcome.status, outcome.insert_id)),
            Some((Some(2), 9))
        );
        let rows: &[&[u8]] = &[&[2], b"def..", b"def..", EOF, b"\x01a\x01b", &[0xfb], EOF];
        let outcome = run(command::QUERY, rows);
        assert_eq!((outcome.0, outcome.1.unwrap().status), (7, Some(3)));
        assert!(
            run(command::QUERY, &[&[1], b"def", EOF, b"\xff\x01\x02#HY000x"])
                .1
                .unwrap()
                .is_error
        );
        // Two result sets of one query.
        let more: &[u8] = &[0, 0, 0, 10, 0, 0, 0];
        assert_eq!(run(command::QUERY, &[more, OK]).0, 2);
        // One parameter, one column.
        let prepared: &[u8] = &[0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0];
        assert_eq!(run(command::STMT_PREPARE, &[prepared, b"def", EOF, b"def", EOF]).0, 5);
        assert!(Response::to(command::STMT_CLOSE).is_none());
    }

    #[test]
    fn what_goes_on_in_the_next_packet_is_not_judged() {
        let mut response = Response::to(command::QUERY).unwrap();
        assert!(response.packet(1, &[1]).is_none());
        assert!(response.packet(3, b"def").is_none());
        assert!(response.packet(5, EOF).is_none());
        assert!(response.packet(FULL, &[0xfd, 1, 1, 1]).is_none());
        assert!(response.packet(5, EOF).is_none(), "the end of a long row");
        assert!(response.packet(5, EOF).is_some());
    }
}
