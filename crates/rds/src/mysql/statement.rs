//! What a statement does to the session it runs in, as far as that decides whether the next one may run in another.
//!
//! It reads words, not grammar, and errs on the safe side: a session that is held without need costs a connection, one
//! that is shared without right would cost an answer.

/// What a statement leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Effects {
    /// The session cannot be moved to another connection any more.
    pub(crate) pins: bool,
    /// It sets variables of the session, and can be said again on another connection.
    pub(crate) sets: bool,
    /// It changes the current database to the name that follows `USE`.
    pub(crate) uses: bool,
    /// It asks for the last inserted id.
    pub(crate) reads_insert_id: bool,
}

/// Words that leave something behind wherever they stand.
const PINNING: [&str; 10] = [
    "GET_LOCK",
    "IS_USED_LOCK",
    "RELEASE_LOCK",
    "RELEASE_ALL_LOCKS",
    "SQL_CALC_FOUND_ROWS",
    "TEMPORARY",
    "NEXTVAL",
    "SETVAL",
    "LASTVAL",
    "INSERT_ID",
];
/// The same for the first word of a statement.
const PINNING_FIRST: [&str; 11] = [
    "LOCK",
    "FLUSH",
    "HANDLER",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
    "XA",
    "CALL",
    "LOAD",
    "BACKUP",
    "INSTALL",
];
/// What may follow `SET` and is not a variable of the session that could be set again.
const PINNING_SET: [&str; 4] = ["TRANSACTION", "ROLE", "STATEMENT", "LAST_INSERT_ID"];
const FOREIGN_SET: [&str; 4] = ["GLOBAL", "PASSWORD", "PERSIST", "DEFAULT"];

#[derive(Debug, PartialEq, Eq)]
enum Token<'s> {
    Word(&'s [u8]),
    /// A variable of the user's own.
    UserVariable,
    /// `;`
    End,
    Other,
}

/// Judges one statement, or several in one text.
pub(crate) fn effects(sql: &[u8]) -> Effects {
    let mut effects = Effects::default();
    let tokens = Tokens(sql);
    let mut statements = 0;
    let mut first = true;
    let mut after_set = false;
    for token in tokens {
        let word = match token {
            Token::End => {
                first = true;
                continue;
            }
            Token::UserVariable => {
                effects.pins = true;
                b"".as_slice()
            }
            Token::Other => b"",
            Token::Word(word) => word,
        };
        let is = |name: &&str| word.eq_ignore_ascii_case(name.as_bytes());
        if after_set {
            effects.pins |= PINNING_SET.iter().any(&is);
            effects.sets = !FOREIGN_SET.iter().any(&is);
        }
        after_set = false;
        if first {
            statements += 1;
            after_set = is(&"SET");
            effects.uses = is(&"USE");
            effects.pins |= PINNING_FIRST.iter().any(&is);
        }
        first = false;
        effects.pins |= PINNING.iter().any(&is);
        effects.reads_insert_id |= is(&"LAST_INSERT_ID") || is(&"IDENTITY");
    }
    // Of several statements in one text nobody can tell afterwards which of them were run.
    if statements > 1 && (effects.sets || effects.uses) {
        effects.pins = true;
    }
    if effects.pins || statements > 1 {
        (effects.sets, effects.uses) = (false, false);
    }
    effects
}

/// The database that `USE` names.
pub(crate) fn used_database(sql: &[u8]) -> Option<Vec<u8>> {
    let mut rest = skip_blank(sql);
    rest = skip_blank(rest.get(3..)?);
    if let Some(quoted) = rest.strip_prefix(b"`") {
        let end = quoted.iter().position(|byte| *byte == b'`')?;
        // A doubled quote is part of a name that nobody gives to a database; its session is held instead.
        return (quoted.get(end + 1) != Some(&b'`')).then(|| quoted[..end].to_vec());
    }
    let end = rest
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || *byte == b';')
        .unwrap_or(rest.len());
    (end > 0).then(|| rest[..end].to_vec())
}

fn skip_blank(sql: &[u8]) -> &[u8] {
    let mut rest = sql;
    loop {
        rest = rest.trim_ascii_start();
        let shorter = comment(rest);
        if shorter.len() == rest.len() {
            return rest;
        }
        rest = shorter;
    }
}

/// What follows a comment at the beginning; the same when there is none. One that begins with `/*!` is code: only its
/// opening is skipped.
fn comment(sql: &[u8]) -> &[u8] {
    let to_line_end = |sql: &'_ [u8]| {
        sql.iter()
            .position(|byte| *byte == b'\n')
            .map_or(sql.len(), |at| at + 1)
    };
    if sql.starts_with(b"#") || (sql.starts_with(b"--") && sql.get(2).is_none_or(u8::is_ascii_whitespace)) {
        return &sql[to_line_end(sql)..];
    }
    if let Some(code) = sql.strip_prefix(b"/*M!").or_else(|| sql.strip_prefix(b"/*!")) {
        let digits = code.iter().take_while(|byte| byte.is_ascii_digit()).count();
        return &code[digits..];
    }
    if let Some(code) = sql.strip_prefix(b"*/") {
        return code;
    }
    if sql.starts_with(b"/*") {
        let end = sql.windows(2).skip(2).position(|two| two == b"*/");
        return end.map_or(&[], |at| &sql[at + 4..]);
    }
    sql
}

struct Tokens<'s>(&'s [u8]);

impl<'s> Iterator for Tokens<'s> {
    type Item = Token<'s>;

    fn next(&mut self) -> Option<Token<'s>> {
        self.0 = skip_blank(self.0);
        let sql = self.0;
        let first = *sql.first()?;
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'$' || *byte >= 0x80;
        let (token, length) = match first {
            b'\'' | b'"' => (Token::Other, quoted(sql, first, true)),
            b'`' => (Token::Other, quoted(sql, first, false)),
            b';' => (Token::End, 1),
            b'@' if sql.get(1) == Some(&b'@') => (Token::Other, 2),
            b'@' => (Token::UserVariable, 1),
            _ if is_word(&first) => {
                let length = sql.iter().take_while(|byte| is_word(byte)).count();
                (Token::Word(&sql[..length]), length)
            }
            _ => (Token::Other, 1),
        };
        self.0 = &sql[length..];
        Some(token)
    }
}

/// The length of a quoted text with its quotes; all that is left when it does not end.
fn quoted(sql: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while let Some(byte) = sql.get(at) {
        at += match *byte {
            b'\\' if escapes => 2,
            // A doubled quote is read as the end of one text and the beginning of another, which comes to the same.
            byte if byte == quote => return at + 1,
            _ => 1,
        };
    }
    sql.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins(sql: &str) -> bool {
        effects(sql.as_bytes()).pins
    }

    #[test]
    fn what_django_says_holds_no_connection() {
        for sql in [
            "SET SQL_AUTO_IS_NULL = 0",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET NAMES utf8mb4",
            "set autocommit=0",
            "SELECT @@sql_mode, VERSION()",
            "INSERT INTO `user` (`mail`) VALUES ('a@example.com')",
            "SELECT \"it's @me\", 'don''t @me', 'a\\'@b'",
            "SELECT 1 -- @comment\n + 1 # @more\n /* @more */",
            "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)",
            "SELECT LAST_INSERT_ID()",
        ] {
            assert!(!pins(sql), "{sql}");
        }
        assert!(effects(b" /* x */ SET NAMES utf8mb4").sets);
        assert!(effects(b"SET @@session.sql_mode = ''").sets);
        assert!(!effects(b"SET GLOBAL max_connections = 5").sets);
        assert!(effects(b"SELECT LAST_INSERT_ID()").reads_insert_id);
    }

    #[test]
    fn what_belongs_to_a_session_holds_it() {
        for sql in [
            "SET @a = 1",
            "SELECT @a",
            "select 1 into @a",
            "CREATE TEMPORARY TABLE t (id INT)",
            "create /*!50000 temporary */ table t (id int)",
            "LOCK TABLES t WRITE",
            "SELECT GET_LOCK('x', 1)",
            "/* c */ call p()",
            "SET TRANSACTION READ ONLY",
            "SELECT 1; SET autocommit = 0",
            "SELECT SQL_CALC_FOUND_ROWS * FROM t",
        ] {
            assert!(pins(sql), "{sql}");
        }
    }

    #[test]
    fn use_names_a_database() {
        assert_eq!(used_database(b" use `to do`;"), Some(b"to do".to_vec()));
        assert_eq!(used_database(b"USE todo"), Some(b"todo".to_vec()));
        assert!(effects(b"use todo").uses);
        assert_eq!(used_database(b"use"), None);
    }

    #[test]
    fn nothing_makes_it_panic() {
        for sql in [
            &b"'"[..],
            b"/*",
            b"/*!",
            b"--",
            b"@",
            b"\\",
            b"`",
            b"'\\",
            b"use `",
            b"\xff\xfe",
        ] {
            let _ = (effects(sql), used_database(sql));
        }
    }
}
