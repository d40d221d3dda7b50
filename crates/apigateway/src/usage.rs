//! What API keys have used of their plans: counted with every request, durable, by day and by the quota's period.

use crate::records::{self, Read};
use crate::shapes::*;
use crate::{ApiGateway, Error, keys, patch, usage_plans};
use danbi_core::{RequestContext, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use time::{Date, Duration, OffsetDateTime};

/// Days for which requests are remembered; AWS shows at most 90.
const REMEMBERED_DAYS: usize = 92;

/// What one key has used of one plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UsageRecord {
    pub key: String,
    /// The first day of the period that `used` counts, `YYYY-MM-DD`.
    pub period: String,
    /// Requests in the period.
    pub used: i64,
    /// Added to the quota of this period by `UpdateUsage`.
    pub extra: i64,
    /// The first period that was ever counted, to which the quota's offset applies.
    pub first: String,
    /// Each day's requests and what was left of the quota at its end.
    pub days: BTreeMap<String, (i64, i64)>,
}

fn text(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

/// The first day of the period that `now` lies in; weeks begin on Sunday, as AWS's do.
fn period_of(period: &str, now: Timestamp) -> (String, String) {
    let today = now.to_datetime().date();
    let first = match period {
        "WEEK" => today - Duration::days(today.weekday().number_days_from_sunday().into()),
        "MONTH" => today.replace_day(1).unwrap_or(today),
        _ => today,
    };
    (text(first), text(today))
}

impl UsageRecord {
    /// Counts a request; `false` when the quota is used up.
    fn count(&mut self, quota: Option<&QuotaSettings>, now: Timestamp) -> bool {
        let period = quota.and_then(|quota| quota.period.as_deref()).unwrap_or("DAY");
        let (first, today) = period_of(period, now);
        if self.period != first {
            if self.first.is_empty() {
                self.first = first.clone();
            }
            (self.period, self.used, self.extra) = (first, 0, 0);
        }
        let left = quota.map_or(i64::MAX, |quota| self.left(quota));
        if left <= 0 {
            return false;
        }
        self.used += 1;
        let day = self.days.entry(today).or_default();
        *day = (day.0 + 1, if quota.is_some() { left - 1 } else { 0 });
        while self.days.len() > REMEMBERED_DAYS {
            self.days.pop_first();
        }
        true
    }

    fn left(&self, quota: &QuotaSettings) -> i64 {
        let offset = if self.period == self.first {
            quota.offset.unwrap_or(0)
        } else {
            0
        };
        i64::from(quota.limit.unwrap_or(0)) - i64::from(offset) + self.extra - self.used
    }
}

/// Counts a request of `key` under `plan`; `false` when its quota is used up. The count survives a crash but for the
/// last moments ([`danbi_store::Store::transact_relaxed`]).
pub(crate) async fn count(gateway: &ApiGateway, scope: &Scope, plan: &UsagePlan, key: &str) -> Result<bool, Error> {
    let place = &keys::usage(scope, plan.id.as_deref().unwrap_or_default(), key);
    let now = gateway.now();
    gateway
        .store
        .transact_relaxed(async |tx| {
            let mut record: UsageRecord = tx.record(place).await?.unwrap_or_default();
            record.key = key.into();
            let admitted = record.count(plan.quota.as_ref(), now);
            if admitted {
                records::put(&tx, place, &record)?;
            }
            Ok::<_, Error>(admitted)
        })
        .await
}

fn date(text: &str) -> Result<Date, Error> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    Date::parse(text, format).map_err(|_| Error::bad(format!("Invalid date specified: {text}. Dates are YYYY-MM-DD")))
}

/// GetUsage.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetUsageRequest,
) -> Result<Usage, Error> {
    let view = gateway.store.snapshot().await?;
    let scope = &context.scope;
    let plan = usage_plans::find(&view, scope, &input.usage_plan_id).await?;
    let (from, to) = (date(&input.start_date)?, date(&input.end_date)?);
    let days = (to - from).whole_days();
    if !(0..=90).contains(&days) {
        return Err(Error::bad("The dates must be in order, and span at most 90 days"));
    }
    let all: Vec<UsageRecord> = match &input.key_id {
        Some(key) => view
            .record(&keys::usage(scope, &input.usage_plan_id, key))
            .await?
            .into_iter()
            .collect(),
        None => view.all(keys::usages_of_plan(scope, &input.usage_plan_id)).await?,
    };
    let limit = plan.quota.as_ref().and_then(|quota| quota.limit).map_or(0, i64::from);
    let of_key = |record: UsageRecord| {
        let mut left = limit;
        let days = (0..=days).map(|day| {
            let found = record.days.get(&text(from + Duration::days(day))).copied();
            let (used, remaining) = found.unwrap_or((0, left));
            left = remaining;
            vec![used, remaining]
        });
        (record.key.clone(), days.collect())
    };
    Ok(Usage {
        usage_plan_id: Some(input.usage_plan_id),
        start_date: Some(input.start_date),
        end_date: Some(input.end_date),
        position: None,
        items: Some(all.into_iter().map(of_key).collect()),
    })
}

/// UpdateUsage: `replace` of `/remaining` for the present period.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateUsageRequest,
) -> Result<Usage, Error> {
    let (scope, input, now) = (&context.scope, &input, gateway.now());
    gateway
        .store
        .transact(async |tx| {
            let plan = usage_plans::find(&tx, scope, &input.usage_plan_id).await?;
            let member = tx
                .bytes(&keys::plan_key(scope, &input.usage_plan_id, &input.key_id))
                .await?;
            member.ok_or_else(|| Error::missing("Invalid API Key identifier specified"))?;
            let quota = plan.quota.ok_or_else(|| Error::bad("Usage Plan has no quota"))?;
            let place = keys::usage(scope, &input.usage_plan_id, &input.key_id);
            let mut record: UsageRecord = tx.record(&place).await?.unwrap_or_default();
            record.key = input.key_id.clone();
            let (first, _) = period_of(quota.period.as_deref().unwrap_or("DAY"), now);
            if record.period != first {
                (record.period, record.used, record.extra) = (first, 0, 0);
            }
            for operation in input.patch_operations.as_deref().unwrap_or_default() {
                let path = patch::path(operation)?;
                if path != "/remaining" || patch::op(operation) != "replace" {
                    return Err(Error::bad(format!("Invalid patch path {path}")));
                }
                let wanted: i64 = operation
                    .value
                    .as_deref()
                    .and_then(|value| value.parse().ok())
                    .filter(|wanted| (0..=i64::from(i32::MAX)).contains(wanted))
                    .ok_or_else(|| Error::bad("Invalid value specified for path /remaining"))?;
                record.extra += wanted - record.left(&quota);
            }
            records::put(&tx, &place, &record)
        })
        .await?;
    let today = text(OffsetDateTime::date(now.to_datetime()));
    let asked = GetUsageRequest {
        usage_plan_id: input.usage_plan_id.clone(),
        key_id: Some(input.key_id.clone()),
        start_date: today.clone(),
        end_date: today,
        ..GetUsageRequest::default()
    };
    get(gateway, context.clone(), asked).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_end_and_begin_anew() {
        let quota = QuotaSettings {
            limit: Some(2),
            offset: Some(1),
            period: Some("DAY".into()),
        };
        let day = |day: i64| Timestamp::from_millis(day * 86_400_000);
        let mut record = UsageRecord::default();
        assert!(record.count(Some(&quota), day(10)));
        assert!(
            !record.count(Some(&quota), day(10)),
            "the offset takes one from the first period"
        );
        assert!(record.count(Some(&quota), day(11)));
        assert!(record.count(Some(&quota), day(11)));
        assert!(!record.count(Some(&quota), day(11)));
        assert_eq!(record.days["1970-01-12"], (2, 0));
    }

    #[test]
    fn weeks_begin_on_sunday_and_months_on_the_first() {
        // 2026-11-25 is a Wednesday.
        let now = Timestamp::from_millis(1_795_608_000_000);
        assert_eq!(period_of("WEEK", now).0, "2026-11-22");
        assert_eq!(period_of("MONTH", now).0, "2026-11-01");
        assert_eq!(period_of("DAY", now).0, "2026-11-25");
    }
}
