//! Lambda's operations, as far as the verbs need them.

use super::client::{Call, INVOKE_TIME_OUT, encode};
use super::{Failure, Platform};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use danbi_deploy::FunctionSettings;
use http::Method;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The alias that an app's URL leads to.
pub const LIVE: &str = "live";
/// How long a function may stay `Pending` or `InProgress`.
const SETTLE_TIME_OUT: Duration = Duration::from_secs(300);
const FIRST_POLL: Duration = Duration::from_millis(50);
const LONGEST_POLL: Duration = Duration::from_secs(1);

/// What Lambda says of a function or a version; the members are its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FunctionConfiguration {
    pub function_name: String,
    pub function_arn: String,
    pub version: String,
    pub runtime: String,
    pub handler: String,
    pub description: String,
    pub memory_size: u32,
    pub timeout: u32,
    pub code_size: u64,
    pub code_sha256: String,
    pub last_modified: String,
    pub state: String,
    pub state_reason: String,
    pub last_update_status: String,
    pub last_update_status_reason: String,
    pub role: String,
    pub environment: Environment,
    pub ephemeral_storage: EphemeralStorage,
}

/// A function's environment variables.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Environment {
    /// By name.
    pub variables: BTreeMap<String, String>,
}

/// A function's `/tmp`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EphemeralStorage {
    /// MiB.
    pub size: u32,
}

/// An alias.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Alias {
    /// Such as `live`.
    pub name: String,
    /// The version that it leads to.
    pub function_version: String,
}

/// A function's answer.
#[derive(Debug)]
pub struct Invoked {
    /// What it returned, or its error document.
    pub payload: Bytes,
    /// `Unhandled` or `Handled` when it failed.
    pub function_error: Option<String>,
    /// The end of what it printed.
    pub log: String,
    /// The version that ran.
    pub version: String,
    /// The request's id.
    pub request_id: String,
}

/// What [`Platform::update`] changes.
pub struct Update<'a> {
    /// The function.
    pub name: &'a str,
    /// Settings beside the code.
    pub settings: &'a FunctionSettings,
    /// The role's ARN.
    pub role: &'a str,
}

/// Where a function's code comes from.
pub enum Code {
    /// The archive itself, in base64.
    Inline(String),
    /// An object that holds it.
    Object { bucket: String, key: String },
}

impl Code {
    fn members(&self) -> Value {
        match self {
            Self::Inline(archive) => json!({ "ZipFile": archive }),
            Self::Object { bucket, key } => json!({"S3Bucket": bucket, "S3Key": key}),
        }
    }
}

impl Update<'_> {
    fn configuration(&self) -> Value {
        let settings = self.settings;
        json!({
            "Runtime": settings.runtime,
            "Handler": settings.handler,
            "Role": self.role,
            "MemorySize": settings.memory,
            "Timeout": settings.timeout,
            "EphemeralStorage": {"Size": settings.storage},
            "Environment": {"Variables": settings.environment},
            "Description": settings.description,
        })
    }

    fn is_in(&self, now: &FunctionConfiguration) -> bool {
        let settings = self.settings;
        now.runtime == settings.runtime
            && now.handler == settings.handler
            && now.role == self.role
            && now.memory_size == settings.memory
            && now.timeout == settings.timeout
            && now.ephemeral_storage.size == settings.storage
            && now.environment.variables == settings.environment
            && now.description == settings.description
    }
}

impl Platform {
    /// The function with its tags; `None` when there is no such function.
    pub async fn function(
        &self,
        name: &str,
    ) -> Result<Option<(FunctionConfiguration, BTreeMap<String, String>)>, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            configuration: FunctionConfiguration,
            #[serde(default)]
            tags: BTreeMap<String, String>,
        }
        let call = self.lambda(
            Method::GET,
            format!("/2015-03-31/functions/{}", encode(name)),
            &Value::Null,
        );
        let answer: Option<Answer> = found(self.json(&format!("cannot read the app {name}"), call).await)?;
        Ok(answer.map(|answer| (answer.configuration, answer.tags)))
    }

    /// One page of functions and the marker of the next.
    pub async fn functions_page(
        &self,
        marker: Option<&str>,
    ) -> Result<(Vec<FunctionConfiguration>, Option<String>), Failure> {
        let query = marker
            .map(|marker| format!("&Marker={}", encode(marker)))
            .unwrap_or_default();
        let call = self.lambda(
            Method::GET,
            format!("/2015-03-31/functions/?MaxItems=50{query}"),
            &Value::Null,
        );
        let mut answer: Value = self.json("cannot list the apps", call).await?;
        let functions = serde_json::from_value(answer["Functions"].take()).unwrap_or_default();
        Ok((functions, answer["NextMarker"].as_str().map(str::to_owned)))
    }

    /// The tags of a function.
    pub async fn tags(&self, arn: &str) -> Result<BTreeMap<String, String>, Failure> {
        let call = self.lambda(Method::GET, format!("/2017-03-31/tags/{}", encode(arn)), &Value::Null);
        let mut answer: Value = self.json("cannot read a function's tags", call).await?;
        Ok(serde_json::from_value(answer["Tags"].take()).unwrap_or_default())
    }

    /// Marks a function as an app.
    pub async fn tag(&self, arn: &str, tags: &BTreeMap<String, String>) -> Result<(), Failure> {
        let call = self.lambda(
            Method::POST,
            format!("/2017-03-31/tags/{}", encode(arn)),
            &json!({ "Tags": tags }),
        );
        self.call("cannot tag the function", call).await.map(drop)
    }

    /// Creates the function, not yet published.
    pub async fn create(
        &self,
        update: &Update<'_>,
        tags: &BTreeMap<String, String>,
        code: &Code,
        bar: &ProgressBar,
    ) -> Result<FunctionConfiguration, Failure> {
        let mut body = update.configuration();
        body["FunctionName"] = update.name.into();
        body["Code"] = code.members();
        body["Tags"] = json!(tags);
        let call = Call {
            upload: Some(bar),
            ..self.lambda(Method::POST, "/2015-03-31/functions".into(), &body)
        };
        bar.set_length(call.body.len() as u64);
        self.json(&format!("cannot create the function {}", update.name), call)
            .await
    }

    /// Uploads new code for `$LATEST`.
    pub async fn update_code(
        &self,
        name: &str,
        code: &Code,
        bar: &ProgressBar,
    ) -> Result<FunctionConfiguration, Failure> {
        let body = code.members();
        let call = Call {
            upload: Some(bar),
            ..self.lambda(
                Method::PUT,
                format!("/2015-03-31/functions/{}/code", encode(name)),
                &body,
            )
        };
        bar.set_length(call.body.len() as u64);
        self.json(&format!("cannot upload the code of {name}"), call).await
    }

    /// Brings the settings of `$LATEST` to what `update` says; nothing is sent when they are so already.
    pub async fn update(&self, update: &Update<'_>, now: &FunctionConfiguration) -> Result<(), Failure> {
        if update.is_in(now) {
            return Ok(());
        }
        let path = format!("/2015-03-31/functions/{}/configuration", encode(update.name));
        let call = self.lambda(Method::PUT, path, &update.configuration());
        self.call(&format!("cannot configure {}", update.name), call)
            .await
            .map(drop)
    }

    /// Waits until the function (or a version of it) is `Active` and no update is under way, as boto3's
    /// `function_active_v2` and `function_updated_v2` do.
    pub async fn settled(&self, name: &str, qualifier: Option<&str>) -> Result<FunctionConfiguration, Failure> {
        let query = qualifier
            .map(|qualifier| format!("?Qualifier={}", encode(qualifier)))
            .unwrap_or_default();
        let path = format!("/2015-03-31/functions/{}/configuration{query}", encode(name));
        let deadline = Instant::now() + SETTLE_TIME_OUT;
        let mut pause = FIRST_POLL;
        loop {
            let call = self.lambda(Method::GET, path.clone(), &Value::Null);
            let now: FunctionConfiguration = self.json(&format!("cannot read the state of {name}"), call).await?;
            if now.state == "Failed" || now.last_update_status == "Failed" {
                let why = if now.state_reason.is_empty() {
                    &now.last_update_status_reason
                } else {
                    &now.state_reason
                };
                return Err(
                    Failure::new(format!("{name} did not become ready"), why).next("correct it and deploy again")
                );
            }
            if now.state != "Pending" && now.last_update_status != "InProgress" {
                return Ok(now);
            }
            if Instant::now() > deadline {
                return Err(Failure::new(
                    format!("{name} did not become ready"),
                    format!("it is still {} after {} s", now.state, SETTLE_TIME_OUT.as_secs()),
                ));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_POLL);
        }
    }

    /// Publishes `$LATEST`; gives the existing version when nothing changed since.
    pub async fn publish(
        &self,
        name: &str,
        code_sha256: &str,
        description: &str,
    ) -> Result<FunctionConfiguration, Failure> {
        let body = json!({"CodeSha256": code_sha256, "Description": description});
        let call = self.lambda(
            Method::POST,
            format!("/2015-03-31/functions/{}/versions", encode(name)),
            &body,
        );
        self.json(&format!("cannot publish a version of {name}"), call).await
    }

    /// The published versions, the oldest first.
    pub async fn versions(&self, name: &str) -> Result<Vec<FunctionConfiguration>, Failure> {
        let mut versions: Vec<FunctionConfiguration> = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let query = marker
                .as_deref()
                .map(|marker| format!("?Marker={}", encode(marker)))
                .unwrap_or_default();
            let call = self.lambda(
                Method::GET,
                format!("/2015-03-31/functions/{}/versions{query}", encode(name)),
                &Value::Null,
            );
            let mut answer: Value = self.json(&format!("cannot list the versions of {name}"), call).await?;
            let page: Vec<FunctionConfiguration> =
                serde_json::from_value(answer["Versions"].take()).unwrap_or_default();
            versions.extend(page.into_iter().filter(|version| version.version != "$LATEST"));
            marker = answer["NextMarker"].as_str().map(str::to_owned);
            if marker.is_none() {
                versions.sort_by_key(|version| version.version.parse::<u64>().unwrap_or(u64::MAX));
                return Ok(versions);
            }
        }
    }

    /// The alias `live`; `None` when the function has none.
    pub async fn live(&self, name: &str) -> Result<Option<Alias>, Failure> {
        let call = self.lambda(
            Method::GET,
            format!("/2015-03-31/functions/{}/aliases/{LIVE}", encode(name)),
            &Value::Null,
        );
        found(
            self.json(&format!("cannot read the alias {LIVE} of {name}"), call)
                .await,
        )
    }

    /// Makes `live` lead to `version`. Requests in flight end where they are; the next one goes to `version`.
    pub async fn go_live(&self, name: &str, version: &str, exists: bool) -> Result<(), Failure> {
        let path = format!("/2015-03-31/functions/{}/aliases", encode(name));
        let call = match exists {
            true => self.lambda(
                Method::PUT,
                format!("{path}/{LIVE}"),
                &json!({"FunctionVersion": version}),
            ),
            false => self.lambda(Method::POST, path, &json!({"Name": LIVE, "FunctionVersion": version})),
        };
        self.call(&format!("cannot move {name} to version {version}"), call)
            .await
            .map(drop)
    }

    /// Gives the alias `live` a function URL that everybody may call. Both may exist already.
    pub async fn make_public(&self, name: &str) -> Result<(), Failure> {
        let what = format!("cannot make {name} public");
        let name = encode(name);
        let call = self.lambda(
            Method::POST,
            format!("/2021-10-31/functions/{name}/url?Qualifier={LIVE}"),
            &json!({"AuthType": "NONE"}),
        );
        unless_exists(self.call(&what, call).await)?;
        let url = json!({"StatementId": "danbi-public-url", "Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"});
        let function = json!({"StatementId": "danbi-public", "Action": "lambda:InvokeFunction", "Principal": "*", "InvokedViaFunctionUrl": true});
        for statement in [url, function] {
            let call = self.lambda(
                Method::POST,
                format!("/2015-03-31/functions/{name}/policy?Qualifier={LIVE}"),
                &statement,
            );
            unless_exists(self.call(&what, call).await)?;
        }
        Ok(())
    }

    /// Bounds the environments of a function, or takes the bound away.
    pub async fn set_concurrency(&self, name: &str, environments: Option<u32>) -> Result<(), Failure> {
        let path = format!("/2017-10-31/functions/{}/concurrency", encode(name));
        let call = match environments {
            Some(count) => self.lambda(Method::PUT, path, &json!({"ReservedConcurrentExecutions": count})),
            None => self.lambda(Method::DELETE, path, &Value::Null),
        };
        self.call(&format!("cannot bound the environments of {name}"), call)
            .await
            .map(drop)
    }

    /// Invokes and waits for the answer.
    pub async fn invoke(&self, name: &str, qualifier: &str, payload: Bytes) -> Result<Invoked, Failure> {
        self.invoke_in(name, qualifier, payload, None).await
    }

    /// The same, in a `fresh` or `new` execution environment when one is named (`X-Danbi-Environment`).
    pub async fn invoke_in(
        &self,
        name: &str,
        qualifier: &str,
        payload: Bytes,
        environment: Option<&str>,
    ) -> Result<Invoked, Failure> {
        let path = format!(
            "/2015-03-31/functions/{}/invocations?Qualifier={}",
            encode(name),
            encode(qualifier)
        );
        let mut call = self.lambda(Method::POST, path, &Value::Null);
        call.body = payload;
        call.headers.push(("x-amz-log-type", "Tail".into()));
        call.headers
            .extend(environment.map(|environment| ("x-danbi-environment", environment.into())));
        call.time_out = INVOKE_TIME_OUT;
        let reply = self.call(&format!("cannot invoke {name}"), call).await?;
        let header = |name: &str| reply.header(name).map(str::to_owned);
        let log = header("x-amz-log-result")
            .and_then(|text| BASE64.decode(text).ok())
            .unwrap_or_default();
        Ok(Invoked {
            function_error: header("x-amz-function-error"),
            log: String::from_utf8_lossy(&log).into_owned(),
            version: header("x-amz-executed-version").unwrap_or_default(),
            request_id: header("x-amzn-requestid").unwrap_or_default(),
            payload: reply.body,
        })
    }

    /// Queues an event and does not wait for what comes of it.
    pub async fn invoke_later(&self, name: &str, qualifier: &str, payload: Bytes) -> Result<String, Failure> {
        let path = format!(
            "/2015-03-31/functions/{}/invocations?Qualifier={}",
            encode(name),
            encode(qualifier)
        );
        let mut call = self.lambda(Method::POST, path, &Value::Null);
        call.body = payload;
        call.headers.push(("x-amz-invocation-type", "Event".into()));
        let reply = self.call(&format!("cannot queue an event for {name}"), call).await?;
        Ok(reply.header("x-amzn-requestid").unwrap_or_default().to_owned())
    }

    /// Deletes the function with all versions, aliases and URLs.
    pub async fn delete(&self, name: &str) -> Result<(), Failure> {
        let call = self.lambda(
            Method::DELETE,
            format!("/2015-03-31/functions/{}", encode(name)),
            &Value::Null,
        );
        self.call(&format!("cannot remove {name}"), call).await.map(drop)
    }

    fn lambda<'a>(&self, method: Method, path: String, body: &Value) -> Call<'a> {
        Call::new("lambda", method, path, body)
    }
}

fn found<T>(outcome: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.is("ResourceNotFoundException") => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn unless_exists<T>(outcome: Result<T, Failure>) -> Result<(), Failure> {
    match outcome {
        Err(failure) if !failure.is("ResourceConflictException") => Err(failure),
        _ => Ok(()),
    }
}
