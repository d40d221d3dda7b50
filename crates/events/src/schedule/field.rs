//! One field of a cron expression.

/// What a field may hold.
pub(super) struct Bounds {
    pub least: u32,
    pub most: u32,
    /// Names of the values from `least` on.
    pub names: &'static [&'static str],
}

pub(super) const MINUTES: Bounds = Bounds {
    least: 0,
    most: 59,
    names: &[],
};
pub(super) const HOURS: Bounds = Bounds {
    least: 0,
    most: 23,
    names: &[],
};
pub(super) const DAYS: Bounds = Bounds {
    least: 1,
    most: 31,
    names: &[],
};
pub(super) const MONTHS: Bounds = Bounds {
    least: 1,
    most: 12,
    names: &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
};
/// Sunday is 1.
pub(super) const WEEKDAYS: Bounds = Bounds {
    least: 1,
    most: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};
pub(super) const YEARS: Bounds = Bounds {
    least: 1970,
    most: 2199,
    names: &[],
};

/// The values of a field, as bits above its least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Set([u64; 4]);

impl Set {
    pub(super) const EMPTY: Self = Self([0; 4]);

    pub(super) fn add(&mut self, bit: u32) {
        self.0[(bit / 64) as usize] |= 1 << (bit % 64);
    }

    pub(super) fn has(&self, bit: u32) -> bool {
        self.0
            .get((bit / 64) as usize)
            .is_some_and(|word| word & (1 << (bit % 64)) != 0)
    }
}

impl Bounds {
    /// A list of values, ranges and steps.
    pub(super) fn set(&self, text: &str) -> Option<Set> {
        let mut set = Set::EMPTY;
        for part in text.split(',') {
            self.part(part, &mut set)?;
        }
        Some(set)
    }

    /// One value, by number or name.
    pub(super) fn value(&self, text: &str) -> Option<u32> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text
                .parse()
                .ok()
                .filter(|value| (self.least..=self.most).contains(value));
        }
        let at = self.names.iter().position(|name| name.eq_ignore_ascii_case(text))?;
        Some(self.least + u32::try_from(at).ok()?)
    }

    fn part(&self, part: &str, set: &mut Set) -> Option<()> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step: u32 = step.parse().ok().filter(|step| *step > 0)?;
                (range, Some(step))
            }
            None => (part, None),
        };
        let (first, last) = match range {
            "*" => (self.least, self.most),
            // `/5` is every fifth from the first on.
            "" if step.is_some() => (self.least, self.most),
            range => match range.split_once('-') {
                Some((first, last)) => (self.value(first)?, self.value(last)?),
                // `5/10` goes on to the end.
                None => {
                    let value = self.value(range)?;
                    (value, if step.is_some() { self.most } else { value })
                }
            },
        };
        let width = self.most - self.least + 1;
        if step.is_some_and(|step| step > width) {
            return None;
        }
        // `FRI-MON` and `22-2` go over the end; years do not.
        let length = if last >= first {
            last - first
        } else if self.most == YEARS.most {
            return None;
        } else {
            last + width - first
        };
        for offset in (0..=length).step_by(step.unwrap_or(1) as usize) {
            set.add((first - self.least + offset) % width);
        }
        Some(())
    }
}
