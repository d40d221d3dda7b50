//! What a statement does to the session it runs in, as far as that decides whether the next one may run in another.
//!
//! It reads words, not grammar, and errs on the safe side: a session that is held without need costs a connection, one
//! that is shared without right would cost an answer. What a function does inside is not seen.

/// What a statement leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Effects {
    /// The session cannot be moved to another connection any more.
    pub(crate) pins: bool,
    /// It sets something of the session, and can be said again on another connection.
    pub(crate) sets: bool,
}

/// Words that leave something behind wherever they stand.
const PINNING: [&str; 15] = [
    "TEMP",
    "TEMPORARY",
    "PG_TEMP",
    "HOLD",
    "CURRVAL",
    "LASTVAL",
    "PG_ADVISORY_LOCK",
    "PG_ADVISORY_LOCK_SHARED",
    "PG_TRY_ADVISORY_LOCK",
    "PG_TRY_ADVISORY_LOCK_SHARED",
    "PG_ADVISORY_UNLOCK",
    "PG_ADVISORY_UNLOCK_SHARED",
    "PG_ADVISORY_UNLOCK_ALL",
    "DBLINK_CONNECT",
    "SETSEED",
];
/// The same for the first word of a statement.
const PINNING_FIRST: [&str; 7] = ["LISTEN", "UNLISTEN", "PREPARE", "DEALLOCATE", "LOAD", "DISCARD", "DO"];
/// What follows `SET` and ends with the transaction.
const LOCAL: [&str; 3] = ["LOCAL", "TRANSACTION", "CONSTRAINTS"];

#[derive(Debug, PartialEq, Eq)]
enum Token<'s> {
    Word(&'s [u8]),
    /// `;`
    End,
    Other,
}

/// Judges one statement, or several in one text.
pub(crate) fn effects(sql: &[u8]) -> Effects {
    let mut effects = Effects::default();
    let (mut statements, mut words) = (0, 0);
    let (mut sets, mut calls) = (false, false);
    for token in Tokens(sql) {
        let word = match token {
            Token::End => {
                words = 0;
                continue;
            }
            Token::Other => b"",
            Token::Word(word) => word,
        };
        let is = |name: &&str| word.eq_ignore_ascii_case(name.as_bytes());
        words += 1;
        match words {
            1 => {
                statements += 1;
                sets = is(&"SET") || is(&"RESET");
                calls = is(&"SELECT");
                effects.pins |= PINNING_FIRST.iter().any(&is);
            }
            2 => {
                sets &= !LOCAL.iter().any(&is);
                // How clients that have only functions set something.
                sets |= calls && is(&"SET_CONFIG");
                effects.sets |= sets;
                effects.pins |= is(&"SET_CONFIG") && !calls;
            }
            _ => effects.pins |= is(&"SET_CONFIG"),
        }
        effects.pins |= PINNING.iter().any(&is);
    }
    // Of several statements in one text nobody can tell afterwards which of them were run.
    effects.pins |= effects.sets && statements > 1;
    effects.sets &= !effects.pins;
    effects
}

struct Tokens<'s>(&'s [u8]);

impl<'s> Iterator for Tokens<'s> {
    type Item = Token<'s>;

    fn next(&mut self) -> Option<Token<'s>> {
        self.0 = skip_blank(self.0);
        let sql = self.0;
        let first = *sql.first()?;
        let begins = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80;
        let goes_on = |byte: &u8| begins(*byte) || byte.is_ascii_digit() || *byte == b'$';
        let (token, length) = match first {
            b'\'' => (Token::Other, quoted(sql, false)),
            b'e' | b'E' if sql.get(1) == Some(&b'\'') => (Token::Other, 1 + quoted(&sql[1..], true)),
            // A quoted name can be that of a function.
            b'"' => {
                let length = quoted(sql, false);
                (
                    Token::Word(sql.get(1..length.saturating_sub(1)).unwrap_or_default()),
                    length,
                )
            }
            b'$' => (Token::Other, dollar_quoted(sql)),
            b';' => (Token::End, 1),
            _ if begins(first) => {
                let length = sql.iter().take_while(|byte| goes_on(byte)).count();
                (Token::Word(&sql[..length]), length)
            }
            _ => (Token::Other, 1),
        };
        self.0 = &sql[length..];
        Some(token)
    }
}

fn skip_blank(sql: &[u8]) -> &[u8] {
    let mut rest = sql;
    loop {
        rest = rest.trim_ascii_start();
        if rest.starts_with(b"--") {
            let end = rest.iter().position(|byte| *byte == b'\n');
            rest = &rest[end.map_or(rest.len(), |at| at + 1)..];
        } else if rest.starts_with(b"/*") {
            rest = &rest[comment(rest)..];
        } else {
            return rest;
        }
    }
}

/// The length of a comment, which may have others inside.
fn comment(sql: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while let Some(rest) = sql.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    sql.len()
}

/// The length of a quoted text with its quotes; all that is left when it does not end.
fn quoted(sql: &[u8], escapes: bool) -> usize {
    let quote = sql.first().copied();
    let mut at = 1;
    while let Some(byte) = sql.get(at) {
        at += match byte {
            b'\\' if escapes => 2,
            // A doubled quote is read as the end of one text and the beginning of another, which comes to the same.
            byte if Some(*byte) == quote => return at + 1,
            _ => 1,
        };
    }
    sql.len()
}

/// The length of `$tag$ … $tag$`; of the sign alone when it begins no quoted text.
fn dollar_quoted(sql: &[u8]) -> usize {
    let is_tag = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    let tag = 1 + sql[1..].iter().take_while(|byte| is_tag(byte)).count();
    if sql.get(tag) != Some(&b'$') || sql[1].is_ascii_digit() {
        return 1;
    }
    let (tag, rest) = sql.split_at(tag + 1);
    let end = rest.windows(tag.len()).position(|window| window == tag);
    end.map_or(sql.len(), |end| tag.len() + end + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_django_says_holds_no_connection() {
        for sql in [
            "SELECT * FROM t WHERE note = 'LISTEN; it''s TEMP'",
            "INSERT INTO \"user\" (mail) VALUES (E'a\\'TEMP') RETURNING id",
            "BEGIN",
            "SET LOCAL statement_timeout = 5",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SELECT 1 -- TEMP\n + 1 /* LISTEN /* nested */ TEMP */",
            "SELECT pg_advisory_xact_lock(1)",
            "SELECT $1, $tag$ TEMP $tag$, $$ HOLD $$",
            "UPDATE t SET temperature = 1",
            "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)",
        ] {
            assert_eq!(effects(sql.as_bytes()), Effects::default(), "{sql}");
        }
    }

    #[test]
    fn settings_are_said_again() {
        for sql in [
            "SET TIME ZONE 'UTC'",
            "/* x */ set session statement_timeout to 5;",
            "RESET ALL",
            "SELECT set_config('TimeZone', 'UTC', false)",
            "SET ROLE app",
        ] {
            let found = effects(sql.as_bytes());
            assert!(found.sets && !found.pins, "{sql}");
        }
    }

    #[test]
    fn what_belongs_to_a_session_holds_it() {
        for sql in [
            "LISTEN news",
            "CREATE TEMP TABLE t (id int)",
            "create /* */ temporary table t (id int)",
            "SELECT pg_advisory_lock(1)",
            "SELECT \"pg_advisory_lock\"(1)",
            "PREPARE p AS SELECT 1",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "SELECT 1; SET statement_timeout = 5",
            "SELECT a, set_config('x.y', '1', false) FROM t",
            "DO $$ BEGIN PERFORM 1; END $$",
            "SELECT currval('s')",
        ] {
            assert!(effects(sql.as_bytes()).pins, "{sql}");
        }
    }

    #[test]
    fn nothing_makes_it_panic() {
        for sql in [
            &b"'"[..],
            b"\"",
            b"/*",
            b"/*/*",
            b"--",
            b"$",
            b"$a",
            b"$a$",
            b"$$",
            b"e'\\",
            b"e'",
            b"E",
            b"\xff\xfe",
            b"$1$1",
            b"$\xff$",
        ] {
            let _ = effects(sql);
        }
    }
}
