//! `cron(minutes hours day-of-month month day-of-week year)`.

use super::field::{DAYS, HOURS, MINUTES, MONTHS, Set, WEEKDAYS, YEARS};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// A cron expression that was understood; it need not ever fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    years: Set,
}

/// Which days of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<DayOfMonth>),
    OfWeek(Vec<DayOfWeek>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DayOfMonth {
    Any(Set),
    /// So many days before the last.
    Last(u32),
    LastWeekday,
    /// The weekday nearest to this day, in the same month.
    Nearest(u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DayOfWeek {
    Any(Set),
    /// The last of its kind in the month.
    Last(u32),
    /// The third Saturday.
    Nth(u32, u32),
}

impl Cron {
    /// What is between the parentheses.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields.as_slice() else {
            return None;
        };
        let days = match (*days, *weekdays) {
            ("?", "?") => return None,
            (days, "?") => Days::OfMonth(days.split(',').map(day_of_month).collect::<Option<_>>()?),
            ("?", days) => Days::OfWeek(days.split(',').map(day_of_week).collect::<Option<_>>()?),
            _ => return None,
        };
        Some(Self {
            minutes: MINUTES.set(minutes)?,
            hours: HOURS.set(hours)?,
            days,
            months: MONTHS.set(months)?,
            years: YEARS.set(years)?,
        })
    }

    /// The first instant after `after` (in milliseconds) at which it fires.
    ///
    /// A local time that a clock put forward leaves out does not fire, and one that a clock put back brings twice fires
    /// the first time only.
    pub(crate) fn next(&self, after: i64, zone: &TimeZone) -> Option<i64> {
        let now = Timestamp::from_millisecond(after).ok()?;
        let mut local = zone.to_datetime(now);
        loop {
            local = self.next_local(local)?;
            let offset = match zone.to_ambiguous_timestamp(local).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset,
                AmbiguousOffset::Fold { before, .. } => before,
                AmbiguousOffset::Gap { .. } => continue,
            };
            let at = offset.to_timestamp(local).ok()?.as_millisecond();
            if at > after {
                return Some(at);
            }
        }
    }

    /// The first local minute after this one.
    fn next_local(&self, after: DateTime) -> Option<DateTime> {
        let (today, now) = (after.date(), after.time());
        let (mut year, mut month, mut from) = (
            i32::from(today.year()),
            i32::from(today.month()),
            i32::from(today.day()),
        );
        if let Some(time) = self.time_after(now).filter(|_| self.is_day(today)) {
            return Some(today.to_datetime(time));
        }
        from += 1;
        let first = self.time_from(0, 0)?;
        while year <= YEARS.most as i32 {
            if year >= YEARS.least as i32 && self.years.has((year - YEARS.least as i32) as u32) {
                while month <= 12 {
                    if self.months.has((month - 1) as u32) {
                        let start = Date::new(year as i16, month as i8, 1).ok()?;
                        let mask = self.mask(start);
                        let last = i32::from(start.days_in_month());
                        if let Some(day) = (from..=last).find(|day| mask & (1u32 << day) != 0) {
                            return Some(Date::new(year as i16, month as i8, day as i8).ok()?.to_datetime(first));
                        }
                    }
                    (month, from) = (month + 1, 1);
                }
            }
            (year, month, from) = (year + 1, 1, 1);
        }
        None
    }

    fn is_day(&self, date: Date) -> bool {
        let year = i32::from(date.year()) - YEARS.least as i32;
        u32::try_from(year).is_ok_and(|year| self.years.has(year))
            && self.months.has((date.month() - 1) as u32)
            && self.mask(date.first_of_month()) & (1u32 << date.day()) != 0
    }

    fn time_after(&self, time: Time) -> Option<Time> {
        let (hour, minute) = (time.hour() as u32, time.minute() as u32);
        self.time_from(hour, minute + 1)
    }

    /// The first time of a day from this hour and minute on.
    fn time_from(&self, hour: u32, minute: u32) -> Option<Time> {
        let in_hour = |hour: u32, from: u32| {
            let minute = (from..60).find(|minute| self.minutes.has(*minute))?;
            Time::new(hour as i8, minute as i8, 0, 0).ok()
        };
        if self.hours.has(hour)
            && let Some(time) = in_hour(hour, minute)
        {
            return Some(time);
        }
        let later = (hour + 1..24).find(|hour| self.hours.has(*hour))?;
        in_hour(later, 0)
    }

    /// The days of the month that begins at `start`, as bits 1 to 31.
    fn mask(&self, start: Date) -> u32 {
        let last = start.days_in_month() as u32;
        // Sunday is 0.
        let first_weekday = start.weekday().to_sunday_zero_offset() as u32;
        let weekday = |day: u32| (first_weekday + day - 1) % 7;
        let all = |wanted: &dyn Fn(u32) -> bool| {
            (1..=last)
                .filter(|day| wanted(*day))
                .fold(0, |mask, day| mask | 1 << day)
        };
        let single = |day: u32| if (1..=last).contains(&day) { 1 << day } else { 0 };
        match &self.days {
            Days::OfMonth(days) => days.iter().fold(0, |mask, day| {
                mask | match day {
                    DayOfMonth::Any(set) => all(&|day| set.has(day - 1)),
                    DayOfMonth::Last(before) => single(last.saturating_sub(*before)),
                    DayOfMonth::LastWeekday => single(nearest_weekday(last, last, weekday(last))),
                    DayOfMonth::Nearest(day) if *day <= last => single(nearest_weekday(*day, last, weekday(*day))),
                    DayOfMonth::Nearest(_) => 0,
                }
            }),
            Days::OfWeek(days) => days.iter().fold(0, |mask, day| {
                mask | match day {
                    DayOfWeek::Any(set) => all(&|day| set.has(weekday(day))),
                    DayOfWeek::Last(wanted) => all(&|day| weekday(day) == wanted - 1 && day + 7 > last),
                    DayOfWeek::Nth(wanted, nth) => all(&|day| weekday(day) == wanted - 1 && (day - 1) / 7 + 1 == *nth),
                }
            }),
        }
    }
}

/// The day from Monday to Friday nearest to `day`, which is a `weekday` (Sunday is 0), without leaving the month.
fn nearest_weekday(day: u32, last: u32, weekday: u32) -> u32 {
    match weekday {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == last => day - 2,
        0 => day + 1,
        _ => day,
    }
}

fn day_of_month(text: &str) -> Option<DayOfMonth> {
    let upper = text.to_ascii_uppercase();
    match upper.as_str() {
        "L" => return Some(DayOfMonth::Last(0)),
        "LW" | "WL" => return Some(DayOfMonth::LastWeekday),
        _ => {}
    }
    if let Some(before) = upper.strip_prefix("L-") {
        return before
            .parse()
            .ok()
            .filter(|before| (1..=30).contains(before))
            .map(DayOfMonth::Last);
    }
    if let Some(day) = upper.strip_suffix('W') {
        return DAYS.value(day).map(DayOfMonth::Nearest);
    }
    DAYS.set(text).map(DayOfMonth::Any)
}

fn day_of_week(text: &str) -> Option<DayOfWeek> {
    let upper = text.to_ascii_uppercase();
    if upper == "L" {
        let mut saturday = Set::EMPTY;
        saturday.add(6);
        return Some(DayOfWeek::Any(saturday));
    }
    if let Some((day, nth)) = upper.split_once('#') {
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth))?;
        return Some(DayOfWeek::Nth(WEEKDAYS.value(day)?, nth));
    }
    if let Some(day) = upper.strip_suffix('L') {
        return WEEKDAYS.value(day).map(DayOfWeek::Last);
    }
    WEEKDAYS.set(text).map(DayOfWeek::Any)
}
