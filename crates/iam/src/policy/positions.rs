//! Where a document's statements stand in its text, as the simulator tells.

/// A place in a text: line and column, both counted from 1. AWS counts the column behind the brace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Behind the opening and the closing brace of each statement, in their order. The text must be a policy.
pub(crate) fn statements(text: &str) -> Vec<(Place, Place)> {
    let mut scan = Scan::default();
    let mut place = Place { line: 1, column: 1 };
    for c in text.chars() {
        match c {
            '\n' => {
                place = Place {
                    line: place.line + 1,
                    column: 1,
                }
            }
            _ => place.column += 1,
        }
        scan.step(c, place);
    }
    scan.found
}

#[derive(Default)]
struct Scan {
    found: Vec<(Place, Place)>,
    /// The open braces and brackets.
    depth: usize,
    /// The text that is being read, and whether it is escaped.
    string: Option<(String, bool)>,
    /// The last text read at the document's own level: a key when a colon follows.
    last: String,
    /// Whether the value of `Statement` is being read, and the depth at which its objects open.
    within: bool,
    /// Where the statement that is open began, and its depth.
    open: Option<(Place, usize)>,
}

impl Scan {
    fn step(&mut self, c: char, place: Place) {
        if let Some((text, escaped)) = &mut self.string {
            match c {
                _ if *escaped => *escaped = false,
                '\\' => *escaped = true,
                '"' => {
                    let (text, _) = self.string.take().unwrap_or_default();
                    if self.depth == 1 {
                        self.last = text;
                    }
                }
                _ => text.push(c),
            }
            return;
        }
        match c {
            '"' => self.string = Some((String::new(), false)),
            ':' if self.depth == 1 => self.within = self.last == "Statement",
            ',' if self.depth == 1 => self.within = false,
            '{' | '[' => {
                self.depth += 1;
                if c == '{' && self.within && self.open.is_none() {
                    self.open = Some((place, self.depth));
                }
            }
            '}' | ']' => {
                if let Some((start, _)) = self.open.take_if(|(_, depth)| *depth == self.depth) {
                    self.found.push((start, place));
                }
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found_where_aws_finds_them() {
        let one = r#"{"Version": "2012-10-17", "Statement": {"Sid": "", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}"#;
        let place = |line, column| Place { line, column };
        assert_eq!(statements(one), [(place(1, 41), place(1, 113))]);
        let two = "{\"Id\":\"Statement\",\"Statement\":[{\"Condition\":{\"a\":{\"b\":\"}\\\"\"}}},\n {\"Sid\":\"x\"}]}";
        assert_eq!(
            statements(two),
            [(place(1, 33), place(1, 63)), (place(2, 3), place(2, 13))]
        );
        assert_eq!(statements("rubbish ] } {"), []);
    }
}
