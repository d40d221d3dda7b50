//! `danbi queue`: queues and messages of SQS from the command line.

use super::Target;
use super::failure::Failure;
use super::platform::Platform;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Messages of one receive.
const AT_ONCE: usize = 10;
/// How often a message is received before it is a dead letter, where nothing is said.
const RECEIVES: u32 = 3;

/// What `danbi queue` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Everything speaks SQS: the AWS CLI and boto3 see the same queues.")]
pub struct QueueArgs {
    /// What to do
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, Subcommand)]
enum Verb {
    /// Show the queues
    Ls(LsArgs),
    /// Make a queue; one whose name ends with .fifo keeps the order of each group
    Create(CreateArgs),
    /// Send a message
    Send(SendArgs),
    /// Receive messages, print them and delete them
    Receive(ReceiveArgs),
    /// Remove all messages
    Purge(NameArgs),
    /// Remove a queue with all its messages
    Rm(NameArgs),
}

#[derive(Debug, Clone, Args)]
struct LsArgs {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct CreateArgs {
    /// The queue's name
    name: String,
    /// The queue that gets what was received too often
    #[arg(long, value_name = "QUEUE")]
    dead_letters: Option<String>,
    /// How often that is
    #[arg(long, value_name = "TIMES", default_value_t = RECEIVES, requires = "dead_letters")]
    receives: u32,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct SendArgs {
    /// The queue
    queue: String,
    /// The message
    body: String,
    /// The message's group; FIFO queues need one
    #[arg(long)]
    group: Option<String>,
    /// Seconds before it can be received
    #[arg(long, value_name = "SECONDS")]
    delay: Option<u32>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct ReceiveArgs {
    /// The queue
    queue: String,
    /// At most so many messages
    #[arg(long, short = 'n', value_name = "MESSAGES", default_value_t = AT_ONCE)]
    limit: usize,
    /// Seconds to wait for the first, 20 at most
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u32,
    /// Leave them in the queue; others see them again at once
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Args)]
struct NameArgs {
    /// The queue
    queue: String,
    #[command(flatten)]
    target: Target,
}

impl QueueArgs {
    /// Whether the answer is JSON.
    pub fn json(&self) -> bool {
        match &self.verb {
            Verb::Ls(args) => args.target.json,
            Verb::Create(args) => args.target.json,
            Verb::Send(args) => args.target.json,
            Verb::Receive(args) => args.target.json,
            Verb::Purge(args) | Verb::Rm(args) => args.target.json,
        }
    }
}

/// Runs the verb.
pub async fn run(args: QueueArgs) -> Result<ExitCode, Failure> {
    match args.verb {
        Verb::Ls(args) => ls(args).await,
        Verb::Create(args) => create(args).await,
        Verb::Send(args) => send(args).await,
        Verb::Receive(args) => receive(args).await,
        Verb::Purge(args) => purge(args).await,
        Verb::Rm(args) => rm(args).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

/// What a URL names.
fn name_of(url: &Value) -> &str {
    url.as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default()
}

async fn ls(args: LsArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let what = "cannot list the queues";
    let (mut queues, mut input) = (Vec::new(), json!({"MaxResults": 1000}));
    loop {
        let mut answer = platform.sqs(what, "ListQueues", &input).await?;
        for url in answer["QueueUrls"].as_array().into_iter().flatten() {
            let asked = json!({"QueueUrl": url, "AttributeNames": ["All"]});
            let found = platform.sqs(what, "GetQueueAttributes", &asked).await?;
            let count = |kind: &str| {
                let text = found["Attributes"][format!("ApproximateNumberOfMessages{kind}")].as_str();
                text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
            };
            let queue = json!({
                "queue": name_of(url), "url": url, "messages": count(""), "in_flight": count("NotVisible"),
                "delayed": count("Delayed"),
            });
            output.line(format!(
                "{}  {} messages, {} in flight, {} delayed",
                name_of(url),
                queue["messages"],
                queue["in_flight"],
                queue["delayed"]
            ));
            queues.push(queue);
        }
        match answer["NextToken"].take() {
            Value::String(token) => input["NextToken"] = token.into(),
            _ => break,
        }
    }
    if queues.is_empty() {
        output.warn("there is no queue yet: `danbi queue create NAME` makes one");
    }
    output.document(&json!({"queues": queues}));
    Ok(())
}

async fn create(args: CreateArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let what = format!("cannot make the queue {}", args.name);
    let platform = Platform::find_or_start(&args.target, &output).await?;
    let mut attributes = json!({});
    if args.name.ends_with(".fifo") {
        attributes = json!({"FifoQueue": "true", "ContentBasedDeduplication": "true"});
    }
    if let Some(dead) = &args.dead_letters {
        let asked = json!({"QueueUrl": dead, "AttributeNames": ["QueueArn"]});
        let found = platform.sqs(&what, "GetQueueAttributes", &asked).await?;
        let policy = json!({"deadLetterTargetArn": found["Attributes"]["QueueArn"], "maxReceiveCount": args.receives});
        attributes["RedrivePolicy"] = policy.to_string().into();
    }
    let input = json!({"QueueName": args.name, "Attributes": attributes});
    let made = platform.sqs(&what, "CreateQueue", &input).await?;
    output.line(format!("made the queue {}", args.name));
    output.document(&json!({"queue": args.name, "url": made["QueueUrl"]}));
    Ok(())
}

async fn send(args: SendArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let what = format!("cannot send to the queue {}", args.queue);
    let mut input = json!({"QueueUrl": args.queue, "MessageBody": args.body});
    if let Some(group) = &args.group {
        input["MessageGroupId"] = group.as_str().into();
    }
    if let Some(delay) = args.delay {
        input["DelaySeconds"] = delay.into();
    }
    let sent = platform.sqs(&what, "SendMessage", &input).await?;
    output.line(format!("sent {}", sent["MessageId"].as_str().unwrap_or_default()));
    output.document(&json!({"queue": args.queue, "message": sent["MessageId"]}));
    Ok(())
}

async fn receive(args: ReceiveArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let what = format!("cannot receive from the queue {}", args.queue);
    let mut received = Vec::new();
    let mut wait = args.wait;
    while received.len() < args.limit {
        let input = json!({
            "QueueUrl": args.queue, "MaxNumberOfMessages": AT_ONCE.min(args.limit - received.len()), "WaitTimeSeconds": wait,
        });
        let answer = platform.sqs(&what, "ReceiveMessage", &input).await?;
        let Some(messages) = answer["Messages"].as_array().filter(|messages| !messages.is_empty()) else {
            break;
        };
        // The rest is what is there by now.
        wait = 0;
        for message in messages {
            output.line(message["Body"].as_str().unwrap_or_default());
            if !args.keep {
                let gone = json!({"QueueUrl": args.queue, "ReceiptHandle": message["ReceiptHandle"]});
                platform.sqs(&what, "DeleteMessage", &gone).await?;
            }
        }
        received.extend(messages.iter().cloned());
    }
    if args.keep {
        for message in &received {
            let seen =
                json!({"QueueUrl": args.queue, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0});
            platform.sqs(&what, "ChangeMessageVisibility", &seen).await?;
        }
    }
    if received.is_empty() {
        output.warn(format!("the queue {} has nothing to receive", args.queue));
    }
    let shown: Vec<Value> = received
        .iter()
        .map(|message| json!({"message": message["MessageId"], "body": message["Body"]}))
        .collect();
    output.document(&json!({"queue": args.queue, "messages": shown}));
    Ok(())
}

async fn purge(args: NameArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let what = format!("cannot empty the queue {}", args.queue);
    platform
        .sqs(&what, "PurgeQueue", &json!({"QueueUrl": args.queue}))
        .await?;
    output.line(format!("emptied the queue {}", args.queue));
    output.document(&json!({"queue": args.queue}));
    Ok(())
}

async fn rm(args: NameArgs) -> Result<(), Failure> {
    let output = args.target.output();
    let platform = Platform::find(&args.target).await?;
    let what = format!("cannot remove the queue {}", args.queue);
    platform
        .sqs(&what, "DeleteQueue", &json!({"QueueUrl": args.queue}))
        .await?;
    output.line(format!("removed the queue {}", args.queue));
    output.document(&json!({"queue": args.queue}));
    Ok(())
}
