use danbi_core::Timestamp;
use time::format_description::well_known::Rfc2822;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// `20150830T123600Z`, the ISO-8601 basic format of all SigV4 dates.
pub(super) fn format(at: Timestamp) -> String {
    let t = at.to_datetime();
    let (hour, minute, second) = t.to_hms();
    format!("{}T{hour:02}{minute:02}{second:02}Z", format_day(at))
}

/// `20150830`.
pub(super) fn format_day(at: Timestamp) -> String {
    let t = at.to_datetime();
    format!("{:04}{:02}{:02}", t.year(), u8::from(t.month()), t.day())
}

/// Reads [`format`]'s output, and nothing looser.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let b = text.as_bytes();
    if b.len() != 16 || b[8] != b'T' || b[15] != b'Z' {
        return None;
    }
    let digits = |from: usize, to: usize| -> Option<u16> {
        let part = b.get(from..to)?;
        part.iter()
            .try_fold(0u16, |n, d| d.is_ascii_digit().then(|| n * 10 + u16::from(d - b'0')))
    };
    let two = |from: usize| digits(from, from + 2).and_then(|n| u8::try_from(n).ok());
    let month = Month::try_from(two(4)?).ok()?;
    let date = Date::from_calendar_date(i32::from(digits(0, 4)?), month, two(6)?).ok()?;
    let time = Time::from_hms(two(9)?, two(11)?, two(13)?).ok()?;
    Some(timestamp(PrimitiveDateTime::new(date, time).assume_utc()))
}

/// Reads an HTTP `Date` header, in RFC 1123's or in the basic format. The name of the day is not looked at.
pub(crate) fn parse_http(text: &str) -> Option<Timestamp> {
    parse(text).or_else(|| {
        let text = text.split_once(',').map_or(text, |(_, rest)| rest);
        OffsetDateTime::parse(text.trim(), &Rfc2822).ok().map(timestamp)
    })
}

/// `2015-08-30T12:36:00Z`, as S3 writes instants in its error documents.
pub(crate) fn format_extended(at: Timestamp) -> String {
    let t = at.to_datetime();
    let (hour, minute, second) = t.to_hms();
    format!(
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
        t.year(),
        u8::from(t.month()),
        t.day()
    )
}

fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp::from_millis(at.unix_timestamp().saturating_mul(1000))
}
