//! The delays of `danbi serve`, and the environment variables that change them: for tests, which cannot wait for hours,
//! and for machines where memory is dearer than a start.

use std::time::Duration;

/// How long the platform waits for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delays {
    /// Before the first and the second retry of an asynchronous invocation that failed: AWS's, but for
    /// `DANBI_ASYNC_RETRY_DELAYS_MS=FIRST,SECOND`.
    pub async_retries: Option<[Duration; 2]>,
    /// The first pause after a batch of a stream failed: a second, but for `DANBI_SOURCE_RETRY_MS=TIME`.
    pub source_retry: Option<Duration>,
    /// How long an HTTP-server app is kept without a request: the runtime's own, but for `DANBI_APP_IDLE_MS=TIME`.
    pub app_idle: Option<Duration>,
    /// How often code that nobody refers to is looked for, and how old it must be: the defaults of each collector, but
    /// for `DANBI_COLLECT_MS=EVERY,AGE`. An age shorter than an upload takes may lose what is being uploaded.
    pub collect: Option<[Duration; 2]>,
    /// How often tables are searched for items that have expired: every 30 seconds, but for
    /// `DANBI_DYNAMODB_EXPIRE_MS=TIME`.
    pub expire: Option<Duration>,
    /// How often stream records are trimmed and how old they become: every ten minutes and 24 hours, but for
    /// `DANBI_DYNAMODB_TRIM_MS=EVERY,AGE`.
    pub trim: Option<[Duration; 2]>,
    /// How often S3 looks for expired objects, and how long a day of a lifecycle rule is: an hour and a calendar day, but
    /// for `DANBI_S3_LIFECYCLE_MS=EVERY,DAY`.
    pub s3_lifecycle: Option<[Duration; 2]>,
    /// How often KMS looks for keys that are due, and how long a day of a waiting time or a rotation period is: a minute
    /// and 24 hours, but for `DANBI_KMS_DUE_MS=EVERY,DAY`.
    pub kms_due: Option<[Duration; 2]>,
    /// How often the Parameter Store looks for what policies of parameters want: a minute, but for
    /// `DANBI_SSM_DUE_MS=TIME`.
    pub ssm_due: Option<Duration>,
    /// How often CloudFormation looks for stacks that are gone, and how long they are still listed: an hour and 90 days,
    /// but for `DANBI_STACKS_FORGET_MS=EVERY,AGE`.
    pub forget_stacks: Option<[Duration; 2]>,
    /// The first and the longest pause before another attempt to deliver an event or a message: a second and five
    /// minutes, but for `DANBI_DELIVERY_RETRY_MS=FIRST,LONGEST`.
    pub deliveries: Option<[Duration; 2]>,
    /// How long a minute of a `rate(…)` is: a minute, but for `DANBI_EVENTS_MINUTE_MS=TIME`.
    pub rate_minute: Option<Duration>,
    /// How often queues are swept, and how long the name of a deleted queue and a purged queue rest: a minute each, but
    /// for `DANBI_SQS_MS=SWEEP,REST`.
    pub queues: Option<[Duration; 2]>,
    /// How long a database keeps its server without use, and how often its binary logs are archived: five minutes and
    /// five seconds, but for `DANBI_DATABASES_MS=IDLE,ARCHIVE`.
    pub databases: Option<[Duration; 2]>,
    /// How often automatic backups of databases are taken, and how long a day of their retention is: 24 hours, but for
    /// `DANBI_DATABASE_BACKUPS_MS=EVERY,DAY`.
    pub database_backups: Option<[Duration; 2]>,
}

impl Delays {
    /// Reads them with `variable`; a value that cannot be understood is an error in words.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let pair = |name, example| read(name, example, variable(name));
        Ok(Self {
            async_retries: pair("DANBI_ASYNC_RETRY_DELAYS_MS", "60000,120000")?,
            source_retry: read("DANBI_SOURCE_RETRY_MS", "1000", variable("DANBI_SOURCE_RETRY_MS"))?
                .map(|[pause]| pause),
            app_idle: read("DANBI_APP_IDLE_MS", "300000", variable("DANBI_APP_IDLE_MS"))?.map(|[idle]| idle),
            kms_due: pair("DANBI_KMS_DUE_MS", "60000,86400000")?,
            ssm_due: read("DANBI_SSM_DUE_MS", "60000", variable("DANBI_SSM_DUE_MS"))?.map(|[every]| every),
            forget_stacks: pair("DANBI_STACKS_FORGET_MS", "3600000,7776000000")?,
            s3_lifecycle: pair("DANBI_S3_LIFECYCLE_MS", "3600000,86400000")?,
            queues: pair("DANBI_SQS_MS", "60000,60000")?,
            databases: pair("DANBI_DATABASES_MS", "300000,5000")?,
            database_backups: pair("DANBI_DATABASE_BACKUPS_MS", "86400000,86400000")?,
            collect: pair("DANBI_COLLECT_MS", "3600000,21600000")?,
            expire: read(
                "DANBI_DYNAMODB_EXPIRE_MS",
                "30000",
                variable("DANBI_DYNAMODB_EXPIRE_MS"),
            )?
            .map(|[every]| every),
            trim: pair("DANBI_DYNAMODB_TRIM_MS", "600000,86400000")?,
            deliveries: pair("DANBI_DELIVERY_RETRY_MS", "1000,300000")?,
            rate_minute: read("DANBI_EVENTS_MINUTE_MS", "60000", variable("DANBI_EVENTS_MINUTE_MS"))?
                .map(|[minute]| minute),
        })
    }
}

fn read<const COUNT: usize>(
    name: &str,
    example: &str,
    value: Option<String>,
) -> Result<Option<[Duration; COUNT]>, String> {
    let Some(text) = value else { return Ok(None) };
    let delays: Option<Vec<Duration>> = text
        .split(',')
        .map(|part| part.trim().parse().ok().map(Duration::from_millis))
        .collect();
    match delays.and_then(|delays| delays.try_into().ok()) {
        Some(delays) => Ok(Some(delays)),
        None => Err(format!("{name} is milliseconds, such as {example}; got {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_stays_as_it_is_and_nonsense_is_refused() {
        let nothing = Delays::from_environment(|_| None).unwrap();
        assert_eq!(
            (nothing.async_retries, nothing.app_idle, nothing.collect),
            (None, None, None)
        );
        let delays = Delays::from_environment(|name| {
            let is_single = [
                "DANBI_APP_IDLE_MS",
                "DANBI_SOURCE_RETRY_MS",
                "DANBI_DYNAMODB_EXPIRE_MS",
                "DANBI_EVENTS_MINUTE_MS",
                "DANBI_SSM_DUE_MS",
            ]
            .contains(&name);
            Some(if is_single { "5" } else { "1, 2" }.into())
        });
        let delays = delays.unwrap();
        assert_eq!(delays.app_idle, Some(Duration::from_millis(5)));
        assert_eq!(
            delays.collect,
            Some([Duration::from_millis(1), Duration::from_millis(2)])
        );
        let error = Delays::from_environment(|_| Some("soon".into())).unwrap_err();
        assert!(error.contains("DANBI_ASYNC_RETRY_DELAYS_MS is milliseconds"), "{error}");
    }
}
