//! The three ways in which AWS protocols write a point in time.

use crate::model::TimestampFormat;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// Milliseconds since the epoch from any of the formats; `None` when the text is none of them.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(millis) = parse_epoch(text) {
        return Some(millis);
    }
    if let Ok(instant) = OffsetDateTime::parse(text, &Rfc3339) {
        return millis(instant);
    }
    if let Ok(instant) = OffsetDateTime::parse(text, &Rfc2822) {
        return millis(instant);
    }
    let http_date = format_description!(
        "[weekday repr:short], [day padding:none] [month repr:short] [year] [hour]:[minute]:[second][optional [.[subsecond]]] GMT"
    );
    if let Ok(instant) = PrimitiveDateTime::parse(text, http_date) {
        return millis(instant.assume_utc());
    }
    let without_offset = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][optional [.[subsecond]]]");
    if let Ok(instant) = PrimitiveDateTime::parse(text, without_offset) {
        return millis(instant.assume_utc());
    }
    let date_only = format_description!("[year]-[month]-[day]");
    time::Date::parse(text, date_only)
        .ok()
        .and_then(|date| millis(date.midnight().assume_utc()))
}

fn parse_epoch(text: &str) -> Option<i64> {
    let plausible = !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'));
    if !plausible {
        return None;
    }
    match text.parse::<i64>() {
        Ok(seconds) => seconds.checked_mul(1000),
        Err(_) => text.parse::<f64>().ok().and_then(from_seconds),
    }
}

/// Milliseconds from seconds with a fraction; `None` past 64 bits.
pub(crate) fn from_seconds(seconds: f64) -> Option<i64> {
    let millis = (seconds * 1000.0).round();
    // The bounds are exact powers of two, so the cast cannot saturate between them.
    (-9.223_372_036_854_775e18..=9.223_372_036_854_775e18)
        .contains(&millis)
        .then_some(millis as i64)
}

fn millis(instant: OffsetDateTime) -> Option<i64> {
    i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// The text of an instant, without quotes.
pub(crate) fn format(millis: i64, format: TimestampFormat) -> String {
    let instant = danbi_core::Timestamp::from_millis(millis).to_datetime();
    let fraction = millis.rem_euclid(1000);
    match format {
        TimestampFormat::EpochSeconds if fraction == 0 => millis.div_euclid(1000).to_string(),
        TimestampFormat::EpochSeconds => {
            // Formatted from the integer, for a float would add digits.
            let (sign, magnitude) = if millis < 0 {
                ("-", millis.unsigned_abs())
            } else {
                ("", millis.unsigned_abs())
            };
            let text = format!("{sign}{}.{:03}", magnitude / 1000, magnitude % 1000);
            text.trim_end_matches('0').to_owned()
        }
        TimestampFormat::Iso8601 => {
            let (date, time) = (instant.date(), instant.time());
            let (hour, minute, second) = time.as_hms();
            let head = format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day());
            let tail = if fraction == 0 {
                String::new()
            } else {
                format!(".{fraction:03}")
            };
            format!("{head}T{hour:02}:{minute:02}:{second:02}{tail}Z")
        }
        TimestampFormat::HttpDate => {
            const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
            const MONTHS: [&str; 12] = [
                "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
            ];
            let day = DAYS[usize::from(instant.weekday().number_days_from_monday())];
            let month = MONTHS[usize::from(u8::from(instant.month())) - 1];
            let (hour, minute, second) = instant.to_hms();
            format!(
                "{day}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} GMT",
                instant.day(),
                instant.year()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_reads_back() {
        for millis in [0, 1_398_796_238_000, 946_845_296_123, -1_500] {
            for style in [TimestampFormat::Iso8601, TimestampFormat::EpochSeconds] {
                assert_eq!(parse(&format(millis, style)), Some(millis), "{style:?}");
            }
        }
        assert_eq!(
            format(1_398_796_238_000, TimestampFormat::HttpDate),
            "Tue, 29 Apr 2014 18:30:38 GMT"
        );
        assert_eq!(parse("Tue, 29 Apr 2014 18:30:38 GMT"), Some(1_398_796_238_000));
        assert_eq!(parse("2019-12-16T22:48:18-01:00"), Some(1_576_540_098_000));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("1e400"), None);
    }
}
