use super::PatternError;
use regex::bytes::{Regex, RegexBuilder};

/// How much memory one compiled expression may take, so that `[a-z]{900}{900}` is refused rather than built.
const COMPILED_BYTES: usize = 1 << 20;
/// A pattern of conditions or fields holds no more expressions than this (AWS's quota).
pub(super) const MAX_IN_PATTERN: usize = 2;

/// A regular expression in AWS's dialect: ASCII, no groups, a short list of symbols.
#[derive(Debug)]
pub(super) struct Expression(Regex);

impl Expression {
    /// `body` is what stood between the percent signs.
    pub(super) fn parse(body: &str) -> Result<Self, PatternError> {
        let refused = || PatternError::term(&format!("%{body}%"));
        if body.is_empty() {
            return Err(refused());
        }
        let mut chars = body.chars();
        while let Some(c) = chars.next() {
            let allowed = match c {
                '\\' => chars.next().is_some_and(is_escapable),
                c => c.is_ascii_alphanumeric() || ":_#=@/;,-^$?[]{}|*+.".contains(c),
            };
            if !allowed {
                return Err(refused());
            }
        }
        RegexBuilder::new(body)
            .unicode(false)
            .size_limit(COMPILED_BYTES)
            .dfa_size_limit(COMPILED_BYTES)
            .nest_limit(32)
            .build()
            .map(Self)
            .map_err(|_| refused())
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

fn is_escapable(c: char) -> bool {
    // `\x2F` is a character by its code; of the letters, only the classes that AWS lists besides.
    "dDwWsSx".contains(c) || c.is_ascii_punctuation()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialect_is_aws_own() {
        for good in [
            "AUTHORIZED",
            "colou?r",
            "[a-z]{2,3}",
            "gr(a".trim_end_matches("(a"),
            r"10\.10\.0\.1",
            r"\d\d\s\w",
            r"\x2F",
        ] {
            assert!(Expression::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "something!",
            "(a|b)",
            "日本",
            "a b",
            "",
            r"\b",
            "[a",
            "*",
            "[a-z]{900}{900}{900}",
        ] {
            assert!(Expression::parse(bad).is_err(), "{bad}");
        }
        assert!(Expression::parse("gra|ey").unwrap().is_match("grey"));
    }
}
