//! A schedule expression, and what to do about what it missed.

use super::cron::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// How often a missed time is counted one by one; what lies further back fires in further steps.
const MOST_MISSED: u64 = 1_000_000;

/// Whose grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// EventBridge's rules: `1 minute`, `2 minutes`, no `at`.
    Rules,
    /// Scheduler: `1 minutes` too, and `at`.
    Scheduler,
}

/// A schedule expression that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    /// At the times of a cron expression. Boxed, because its sets are large.
    Cron(Box<Cron>),
    /// Every so many minutes.
    Rate {
        /// How many.
        minutes: i64,
    },
    /// Once, at this local time.
    At(DateTime),
}

/// What is due after the platform was not there for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missed {
    /// The newest time that is past: it fires once.
    pub newest: i64,
    /// How many older ones are dropped.
    pub dropped: u64,
    /// The next time, when there is one.
    pub next: Option<i64>,
}

impl Expression {
    /// Reads an expression; `None` when it is none.
    pub(crate) fn parse(text: &str, strictness: Strictness) -> Option<Self> {
        let (kind, rest) = text.split_once('(')?;
        let inside = rest.strip_suffix(')')?;
        match kind {
            "cron" => Cron::parse(inside).map(|cron| Self::Cron(Box::new(cron))),
            "rate" => rate(inside, strictness),
            "at" if strictness == Strictness::Scheduler => at(inside),
            _ => None,
        }
    }

    /// The first time after `after`. A rate counts from `begin`. `minute` is how many milliseconds a minute of a rate has.
    pub(crate) fn next(&self, after: i64, begin: i64, zone: &TimeZone, minute: i64) -> Option<i64> {
        match self {
            Self::Cron(cron) => cron.next(after, zone),
            Self::Rate { minutes } => {
                let period = minutes.checked_mul(minute)?;
                let periods = (after - begin).div_euclid(period) + 1;
                begin.checked_add(period.checked_mul(periods)?)
            }
            Self::At(local) => at_instant(*local, zone).filter(|at| *at > after),
        }
    }

    /// What is to be done about a time `due` that is not after `now`.
    pub(crate) fn missed(&self, due: i64, now: i64, begin: i64, zone: &TimeZone, minute: i64) -> Missed {
        if let Self::Rate { minutes } = self {
            let period = minutes.saturating_mul(minute).max(1);
            let dropped = (now - due).div_euclid(period);
            let newest = due + dropped * period;
            return Missed {
                newest,
                dropped: dropped.unsigned_abs(),
                next: newest.checked_add(period),
            };
        }
        let mut missed = Missed {
            newest: due,
            dropped: 0,
            next: self.next(due, begin, zone, minute),
        };
        while let Some(next) = missed.next.filter(|next| *next <= now) {
            if missed.dropped >= MOST_MISSED {
                break;
            }
            missed.newest = next;
            missed.dropped += 1;
            missed.next = self.next(next, begin, zone, minute);
        }
        missed
    }
}

/// The instant of a local time: the first of two, and the one after a gap that it falls into.
pub(crate) fn at_instant(local: DateTime, zone: &TimeZone) -> Option<i64> {
    let offset = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Fold { before, .. } | AmbiguousOffset::Gap { before, .. } => before,
    };
    Some(offset.to_timestamp(local).ok()?.as_millisecond())
}

fn rate(inside: &str, strictness: Strictness) -> Option<Expression> {
    let (count, unit) = inside.split_once(' ')?;
    if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: i64 = count.parse().ok().filter(|count| *count > 0)?;
    let singular = unit.strip_suffix('s');
    if strictness == Strictness::Rules && singular.is_some() == (count == 1) {
        return None;
    }
    let unit = match singular.unwrap_or(unit) {
        "minute" => 1,
        "hour" => 60,
        "day" => 24 * 60,
        _ => return None,
    };
    Some(Expression::Rate {
        minutes: count.checked_mul(unit).filter(|minutes| *minutes < i64::MAX / 60_000)?,
    })
}

fn at(inside: &str) -> Option<Expression> {
    // Exactly `yyyy-mm-ddThh:mm:ss`; the library would take more.
    let shape = "0000-00-00T00:00:00";
    let fits = inside.len() == shape.len()
        && inside.bytes().zip(shape.bytes()).all(|(found, wanted)| {
            if wanted == b'0' {
                found.is_ascii_digit()
            } else {
                found == wanted
            }
        });
    fits.then(|| inside.parse().ok().map(Expression::At))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn millis(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    fn following(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let expression = Expression::parse(text, Strictness::Scheduler).unwrap();
        let zone = TimeZone::get(zone).unwrap();
        let begin = millis(after);
        let mut at = begin;
        let mut found = Vec::new();
        while found.len() < count {
            let Some(next) = expression.next(at, begin, &zone, MINUTE) else {
                break;
            };
            assert!(next > at);
            at = next;
            found.push(jiff::Timestamp::from_millisecond(at).unwrap().to_string());
        }
        found
    }

    #[test]
    fn awss_own_examples() {
        let after = "2026-01-01T00:00:00Z";
        for (text, first) in [
            ("cron(0 10 * * ? *)", "2026-01-01T10:00:00Z"),
            ("cron(15 12 * * ? *)", "2026-01-01T12:15:00Z"),
            ("cron(0 18 ? * MON-FRI *)", "2026-01-01T18:00:00Z"),
            ("cron(0 8 1 * ? *)", "2026-01-01T08:00:00Z"),
            ("cron(0/15 * * * ? *)", "2026-01-01T00:15:00Z"),
            ("cron(*/15 * * * ? *)", "2026-01-01T00:15:00Z"),
            ("cron(0 2 ? * SAT#3 *)", "2026-01-17T02:00:00Z"),
            ("cron(0 9 ? * 2#1 *)", "2026-01-05T09:00:00Z"),
            ("cron(15 10 ? * 6L *)", "2026-01-30T10:15:00Z"),
            ("cron(0 0 L * ? *)", "2026-01-31T00:00:00Z"),
            ("cron(0 0 L-3 * ? *)", "2026-01-28T00:00:00Z"),
            ("cron(0 0 LW * ? *)", "2026-01-30T00:00:00Z"),
            ("cron(0 0 3W * ? *)", "2026-01-02T00:00:00Z"),
            ("cron(0 0 29 2 ? *)", "2028-02-29T00:00:00Z"),
            ("cron(0/30 20-23 ? * MON-FRI *)", "2026-01-01T20:00:00Z"),
            ("cron(0 0 ? * FRI-MON *)", "2026-01-02T00:00:00Z"),
            ("cron(1-31/30 1-1 ? * 1,7 *)", "2026-01-03T01:01:00Z"),
        ] {
            assert_eq!(following(text, "UTC", after, 1), [first], "{text}");
        }
        for never in [
            "cron(15 10 ? * 6L 2002-2005)",
            "cron(0/5 5 ? JAN 1-5 2022)",
            "cron(0 0 31 2 ? *)",
        ] {
            assert!(following(never, "UTC", after, 1).is_empty(), "{never}");
        }
    }

    #[test]
    fn what_is_no_expression() {
        for text in [
            "cron(0 1 * * * *)",
            "cron(7 20 * * NOT *)",
            "cron(INVALID)",
            "cron(0 dummy ? * MON-FRI *)",
            "cron(71 8 1 * ? *)",
            "cron()",
            "cron(0 0 ? * ? *)",
            "cron(0 0 * * ?)",
            "cron(0 0 0 * ? *)",
            "cron(0 0 1 13 ? *)",
            "cron(0 0 1 1 ? 2200)",
            "cron(0/0 0 1 1 ? *)",
            "cron(0 0 ? * 8 *)",
            "rate(10 seconds)",
            "rate(10 years)",
            "rate()",
            "rate(10)",
            "rate(10 minutess)",
            "rate(foo minutes)",
            "rate(0 minutes)",
            "rate(-10 minutes)",
            "rate(10 MINUTES)",
            "rate( 10 minutes )",
            " rate(10 minutes)",
            "at(2021-12-31T23:59:59Z)",
            "at(2021-12-31)",
            "",
            "rate",
            "cron(",
            "rate(99999999999999999999 days)",
        ] {
            for strictness in [Strictness::Rules, Strictness::Scheduler] {
                assert_eq!(Expression::parse(text, strictness), None, "{text}");
            }
        }
        for text in [
            "rate(1 minutes)",
            "rate(1 hours)",
            "rate(10 minute)",
            "rate(10 day)",
            "at(2021-12-31T23:59:59)",
        ] {
            assert_eq!(Expression::parse(text, Strictness::Rules), None, "{text}");
        }
        assert!(Expression::parse("rate(1 minute)", Strictness::Rules).is_some());
    }

    #[test]
    fn clocks_that_are_put_forward_and_back() {
        // New York, 8 March 2026: 02:00 becomes 03:00. The missing half past two does not fire.
        assert_eq!(
            following("cron(30 2 * * ? *)", "America/New_York", "2026-03-07T00:00:00Z", 2),
            ["2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z"]
        );
        // 1 November 2026: half past one comes twice and fires once.
        assert_eq!(
            following("cron(30 1 * * ? *)", "America/New_York", "2026-11-01T00:00:00Z", 2),
            ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]
        );
        assert_eq!(
            following("at(2026-07-01T12:00:00)", "Asia/Seoul", "2026-01-01T00:00:00Z", 3),
            ["2026-07-01T03:00:00Z"]
        );
    }

    #[test]
    fn the_newest_of_what_was_missed_fires_and_the_rest_is_counted() {
        let cron = Expression::parse("cron(0 * * * ? *)", Strictness::Rules).unwrap();
        let (due, now) = (millis("2026-01-01T01:00:00Z"), millis("2026-01-01T05:30:00Z"));
        let missed = cron.missed(due, now, due, &TimeZone::UTC, MINUTE);
        let expected = Missed {
            newest: millis("2026-01-01T05:00:00Z"),
            dropped: 4,
            next: Some(millis("2026-01-01T06:00:00Z")),
        };
        assert_eq!(missed, expected);
        let rate = Expression::parse("rate(1 hour)", Strictness::Rules).unwrap();
        assert_eq!(rate.missed(due, now, due, &TimeZone::UTC, MINUTE), expected);
        let once = Expression::parse("at(2026-01-01T01:00:00)", Strictness::Scheduler).unwrap();
        assert_eq!(
            once.missed(due, now, due, &TimeZone::UTC, MINUTE),
            Missed {
                newest: due,
                dropped: 0,
                next: None
            }
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(cron|rate|at)\\([0-9*?LW#/, A-Z-]{0,24}\\)") {
            if let Some(expression) = Expression::parse(&text, Strictness::Scheduler) {
                let next = expression.next(0, 0, &TimeZone::UTC, MINUTE);
                proptest::prop_assert!(next.is_none_or(|next| next > 0));
            }
        }
    }
}
