//! CSV as `ImportTable` reads it: RFC 4180 with another delimiter when asked for.

/// The fields of one record; `None` when its quotes make no sense.
pub(super) fn fields(record: &[u8], delimiter: u8) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = record;
    loop {
        let (field, behind) = match rest.first() {
            Some(b'"') => quoted(&rest[1..])?,
            _ => {
                let end = rest.iter().position(|&byte| byte == delimiter).unwrap_or(rest.len());
                (rest[..end].to_vec(), &rest[end..])
            }
        };
        fields.push(String::from_utf8(field).ok()?);
        match behind.split_first() {
            None => return Some(fields),
            Some((&byte, behind)) if byte == delimiter => rest = behind,
            Some(_) => return None,
        }
    }
}

/// What stands before the closing quote, and what behind it.
fn quoted(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut field = Vec::new();
    loop {
        let end = rest.iter().position(|&byte| byte == b'"')?;
        field.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.first() {
            // Two quotes are one.
            Some(b'"') => {
                field.push(b'"');
                rest = &rest[1..];
            }
            _ => return Some((field, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_be_quoted_empty_and_hold_anything() {
        let read = |text: &str| fields(text.as_bytes(), b',');
        let some = |fields: &[&str]| Some(fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>());
        assert_eq!(read("a,b,c"), some(&["a", "b", "c"]));
        assert_eq!(read("a,,"), some(&["a", "", ""]));
        assert_eq!(read(""), some(&[""]));
        assert_eq!(read("\"a,b\",\"c\"\"d\nx\",\"\""), some(&["a,b", "c\"d\nx", ""]));
        assert_eq!(fields(b"a\tb,c", b'\t'), some(&["a", "b,c"]));
        for wrong in ["\"a", "\"a\"b", "\"a\"\""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
