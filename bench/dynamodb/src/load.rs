//! Sending: many clients at once, each with a connection of its own.

use crate::connection::{Address, Connection};
use crate::requests::{self, Signing};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Who sends, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Where to.
    pub address: Address,
    /// Connections, each with one request under way.
    pub clients: usize,
    /// How long.
    pub duration: Duration,
    /// How long requests that are under way at the end are waited for.
    pub patience: Duration,
}

/// How a run went.
pub struct Outcome {
    elapsed: Duration,
    processor: Duration,
    latencies: Vec<Duration>,
    refused: u64,
    refusal: Option<String>,
    abandoned: u64,
    reopened: u64,
}

impl Outcome {
    /// A line for the one who runs this.
    pub fn report(mut self) -> Value {
        self.latencies.sort_unstable();
        let at = |share: f64| {
            let place = (self.latencies.len() as f64 * share) as usize;
            let found = self.latencies.get(place.min(self.latencies.len().saturating_sub(1)));
            found.map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
        };
        json!({
            "answered": self.latencies.len(),
            "rate": self.latencies.len() as f64 / self.elapsed.as_secs_f64(),
            "p50_ms": at(0.50),
            "p99_ms": at(0.99),
            "refused": self.refused,
            "refusal": self.refusal,
            "abandoned": self.abandoned,
            "reopened": self.reopened,
            "client_processor": self.processor.as_secs_f64() / self.elapsed.as_secs_f64(),
        })
    }
}

/// Processor time of this process.
fn processor() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec.unsigned_abs() as u32)
}

/// Sends requests for as long as the plan says. Client `c` sends those at `c`, `c + clients`, … again and again.
///
/// # Errors
/// When a connection breaks. What the server refuses is counted, and so is what it has not answered when patience ends.
pub async fn rate(plan: &Plan, requests: &[Vec<u8>]) -> Result<Outcome, String> {
    let (begun, processor_before) = (Instant::now(), processor());
    let clients = (0..plan.clients).map(|client| one_client(plan, requests, client, begun));
    let clients = try_join_all(clients).await?;
    let mut outcome = Outcome {
        elapsed: begun.elapsed(),
        processor: processor().saturating_sub(processor_before),
        latencies: Vec::new(),
        refused: 0,
        refusal: None,
        abandoned: 0,
        reopened: 0,
    };
    for client in clients {
        outcome.latencies.extend(client.latencies);
        outcome.refused += client.refused;
        outcome.refusal = outcome.refusal.or(client.refusal);
        outcome.abandoned += u64::from(client.abandoned);
        outcome.reopened += client.reopened;
    }
    Ok(outcome)
}

/// What one client saw.
#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
    refused: u64,
    refusal: Option<String>,
    abandoned: bool,
    reopened: u64,
}

async fn one_client(plan: &Plan, requests: &[Vec<u8>], client: usize, begun: Instant) -> Result<Seen, String> {
    let mut connection = Connection::new(plan.address);
    let mut seen = Seen::default();
    let mut at = client;
    let end = tokio::time::Instant::from_std(begun + plan.duration + plan.patience);
    while begun.elapsed() < plan.duration {
        let sent = Instant::now();
        let sending = connection.send(&requests[at % requests.len()]);
        let Ok(answer) = tokio::time::timeout_at(end, sending).await else {
            seen.abandoned = true;
            return Ok(seen);
        };
        let answer = answer?;
        if answer.status == 200 {
            seen.latencies.push(sent.elapsed());
        } else {
            seen.refused += 1;
            seen.refusal = Some(String::from_utf8_lossy(answer.body).into_owned());
        }
        at += plan.clients;
    }
    seen.reopened = connection.reopened;
    Ok(seen)
}

/// Writes items `from..from + items` into `table`, 25 at a time; or the collections into the table of that name.
///
/// # Errors
/// When a connection breaks or a write is refused.
pub async fn fill(
    plan: &Plan,
    signing: &Signing,
    table: &str,
    [from, items, bytes]: [u64; 3],
) -> Result<Value, String> {
    let collections = (table == "collections").then(requests::collections);
    let batches = collections
        .as_ref()
        .map_or(items.div_ceil(25), |inputs| inputs.len() as u64);
    let input = |batch: u64| match &collections {
        Some(inputs) => inputs[batch as usize].clone(),
        None => {
            let numbers = from + batch * 25..from + items.min((batch + 1) * 25);
            let puts = numbers.map(|number| json!({"PutRequest": {"Item": requests::item(number, bytes as usize)}}));
            json!({"RequestItems": {table: puts.collect::<Vec<_>>()}})
        }
    };
    let (begun, next) = (Instant::now(), Cell::new(0));
    let clients = (0..plan.clients).map(|_| async {
        let mut connection = Connection::new(plan.address);
        loop {
            let batch = next.get();
            if batch >= batches {
                return Ok::<_, String>(());
            }
            next.set(batch + 1);
            let answer = connection
                .send(&signing.request("BatchWriteItem", &input(batch))?)
                .await?;
            let text = String::from_utf8_lossy(answer.body);
            if answer.status != 200 || text.contains("PutRequest") {
                return Err(format!("a batch was refused: {} {text}", answer.status));
            }
        }
    });
    try_join_all(clients).await?;
    Ok(json!({"batches": batches, "seconds": begun.elapsed().as_secs_f64()}))
}

/// Scans a table from its first page to its last.
///
/// # Errors
/// When the connection breaks or a page is refused.
pub async fn scan(plan: &Plan, signing: &Signing, table: &str) -> Result<Value, String> {
    let mut connection = Connection::new(plan.address);
    let (begun, mut pages, mut items, mut bytes) = (Instant::now(), 0u64, 0u64, 0usize);
    let mut input = json!({"TableName": table, "ConsistentRead": true});
    loop {
        let request = signing.request("Scan", &input)?;
        let answer = connection.send(&request).await?;
        if answer.status != 200 {
            return Err(format!("a page was refused: {}", String::from_utf8_lossy(answer.body)));
        }
        pages += 1;
        bytes += answer.body.len();
        let page: Value = serde_json::from_slice(answer.body).map_err(|error| error.to_string())?;
        items += page["Count"].as_u64().unwrap_or(0);
        match page.get("LastEvaluatedKey") {
            Some(last) => input["ExclusiveStartKey"] = last.clone(),
            None => break,
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(json!({"pages": pages, "items": items, "answer_bytes": bytes, "seconds": seconds}))
}
