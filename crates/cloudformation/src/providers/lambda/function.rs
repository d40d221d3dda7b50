use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::ApiCall;
use serde_json::{Value, json};

/// AWS::Lambda::Function
pub(super) struct Function;

const CONFIGURATION: [&str; 17] = [
    "Role",
    "Handler",
    "Runtime",
    "Description",
    "Timeout",
    "MemorySize",
    "VpcConfig",
    "Environment",
    "DeadLetterConfig",
    "KMSKeyArn",
    "TracingConfig",
    "Layers",
    "FileSystemConfigs",
    "ImageConfig",
    "EphemeralStorage",
    "SnapStart",
    "LoggingConfig",
];
const AT_CREATION: [&str; 3] = ["PackageType", "Architectures", "CodeSigningConfigArn"];
/// The longest inline code. Source: the type's reference.
const MAX_INLINE: usize = 4 * 1024 * 1024;

/// What custom resources in inline code answer with. Source: the `cfn-response` module in CloudFormation's guide.
const PYTHON_RESPONSE: (&str, &str) = ("cfnresponse", include_str!("inline/cfnresponse.py"));
const NODE_RESPONSE: (&str, &str) = ("cfn-response", include_str!("inline/cfn-response.js"));

/// A zip archive with the inline code as `index.py` or `index.js`, and beside it the module for answers if it names it;
/// stored, because it is small.
fn archive(work: &Work<'_>, code: &str) -> Outcome<Vec<u8>> {
    if code.len() > MAX_INLINE {
        return Err(Failure::new("InvalidRequest", "ZipFile is larger than 4 MiB"));
    }
    let runtime = work.text("Runtime").unwrap_or_default();
    let (ending, (module, text)) = match &runtime {
        runtime if runtime.starts_with("python") => ("py", PYTHON_RESPONSE),
        runtime if runtime.starts_with("nodejs") => ("js", NODE_RESPONSE),
        _ => {
            return Err(Failure::new(
                "InvalidRequest",
                "ZipFile can only be used when Runtime is set to either nodejs or python.",
            ));
        }
    };
    let mut files = vec![(format!("index.{ending}"), code)];
    if code.contains(module) {
        files.push((format!("{module}.{ending}"), text));
    }
    Ok(zip_of(&files))
}

/// The zip format for stored files. Source: PKWARE's APPNOTE 4.3.
fn zip_of(files: &[(String, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in files {
        let crc = crc32fast::hash(content.as_bytes());
        // Inline code is at most 4 MiB and the names are ours.
        let (at, size, name_size) = (out.len() as u32, content.len() as u32, name.len() as u16);
        let mut common = Vec::new();
        common.extend_from_slice(&20_u16.to_le_bytes());
        common.extend_from_slice(&[0; 4]);
        common.extend_from_slice(&[0, 0, 0x21, 0]);
        for number in [crc, size, size] {
            common.extend_from_slice(&number.to_le_bytes());
        }
        common.extend_from_slice(&name_size.to_le_bytes());
        common.extend_from_slice(&[0; 2]);
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(content.as_bytes());
        directory.extend_from_slice(b"PK\x01\x02");
        // Made by Unix, so that the mode below counts.
        directory.extend_from_slice(&[20, 3]);
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 6]);
        directory.extend_from_slice(&(0o100_644_u32 << 16).to_le_bytes());
        directory.extend_from_slice(&at.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (at, length, count) = (out.len() as u32, directory.len() as u32, files.len() as u16);
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06");
    out.extend_from_slice(&[0; 4]);
    for number in [count, count] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out
}

fn code(work: &Work<'_>) -> Outcome<Value> {
    let code = work.get("Code");
    match code.get("ZipFile") {
        Some(Value::String(text)) => Ok(json!({ "ZipFile": STANDARD.encode(archive(work, text)?) })),
        Some(_) => Err(Failure::new("InvalidRequest", "Code.ZipFile must be a string")),
        None => {
            let known = ["S3Bucket", "S3Key", "S3ObjectVersion", "ImageUri"];
            let picked = known
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), code.get(name)?.clone())));
            Ok(Value::Object(picked.collect()))
        }
    }
}

impl Function {
    async fn ready(work: &Work<'_>, name: &str) -> Outcome<Value> {
        let is_ready = |output: &Value| {
            let is = |pointer: &str, wanted: &[&str]| {
                let status = output.pointer(pointer).and_then(Value::as_str);
                status.is_none_or(|status| wanted.contains(&status))
            };
            is("/State", &["Active", "Inactive", "Failed"]) && is("/LastUpdateStatus", &["Successful", "Failed"])
        };
        let found = work
            .until(
                "lambda",
                "GetFunctionConfiguration",
                json!({ "FunctionName": name }),
                is_ready,
            )
            .await?;
        if found.get("State").and_then(Value::as_str) == Some("Failed") {
            let reason = found
                .get("StateReason")
                .and_then(Value::as_str)
                .unwrap_or("the function failed to start");
            return Err(Failure::new("NotStabilized", reason));
        }
        Ok(found)
    }

    async fn made(work: &Work<'_>, name: &str) -> Outcome<Made> {
        let found = Self::ready(work, name).await?;
        let snap = |member: &str| {
            found
                .pointer(&format!("/SnapStart/{member}"))
                .cloned()
                .unwrap_or(Value::Null)
        };
        Ok(Made::new(name)
            .with("Arn", output_text(&found, "/FunctionArn")?)
            .with("SnapStartResponse.ApplyOn", snap("ApplyOn"))
            .with("SnapStartResponse.OptimizationStatus", snap("OptimizationStatus")))
    }

    /// What has an operation of its own.
    async fn settings(work: &Work<'_>, name: &str) -> Outcome<()> {
        if work.changes("ReservedConcurrentExecutions") {
            match work.text("ReservedConcurrentExecutions") {
                Some(count) => {
                    let input = json!({ "FunctionName": name, "ReservedConcurrentExecutions": count });
                    work.call("lambda", "PutFunctionConcurrency", input).await?;
                }
                None => {
                    work.remove("lambda", "DeleteFunctionConcurrency", json!({ "FunctionName": name }))
                        .await?
                }
            }
        }
        if work.changes("RecursiveLoop") {
            let wanted = work.text("RecursiveLoop").unwrap_or_else(|| "Terminate".to_owned());
            let input = json!({ "FunctionName": name, "RecursiveLoop": wanted });
            work.call("lambda", "PutFunctionRecursionConfig", input).await?;
        }
        if work.changes("RuntimeManagementConfig") {
            let wanted = match work.get("RuntimeManagementConfig") {
                Value::Null => json!({ "UpdateRuntimeOn": "Auto" }),
                value => value.clone(),
            };
            work.call(
                "lambda",
                "PutRuntimeManagementConfig",
                and(wanted, json!({ "FunctionName": name })),
            )
            .await?;
        }
        Ok(())
    }
}

/// What a property is when a template says nothing of it.
fn default(property: &str) -> Value {
    match property {
        "Description" | "KMSKeyArn" => json!(""),
        "Timeout" => json!(3),
        "MemorySize" => json!(128),
        "Environment" => json!({ "Variables": {} }),
        "Layers" | "FileSystemConfigs" => json!([]),
        "DeadLetterConfig" => json!({ "TargetArn": "" }),
        "VpcConfig" => json!({ "SubnetIds": [], "SecurityGroupIds": [] }),
        "TracingConfig" => json!({ "Mode": "PassThrough" }),
        "EphemeralStorage" => json!({ "Size": 512 }),
        "SnapStart" => json!({ "ApplyOn": "None" }),
        "LoggingConfig" => json!({ "LogFormat": "Text" }),
        _ => Value::Null,
    }
}

#[async_trait]
impl Provider for Function {
    fn kind(&self) -> &'static str {
        "AWS::Lambda::Function"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Code", "Role"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["FunctionName", "PackageType"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("FunctionName")
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new(
            "lambda",
            "GetFunctionConfiguration",
            json!({ "FunctionName": name }),
        ))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("FunctionName", Naming::up_to(64));
        let tags = work.tag_map();
        let tags = if tags.is_empty() {
            Value::Null
        } else {
            Value::Object(tags)
        };
        let mut input = and(work.pick(&CONFIGURATION), work.pick(&AT_CREATION));
        input = and(
            input,
            json!({ "FunctionName": name, "Code": code(work)?, "Tags": tags }),
        );
        if work.get("Code").get("ImageUri").is_some() {
            input["PackageType"] = json!("Image");
        }
        work.make("lambda", "CreateFunction", input).await?;
        let configured = async {
            Self::ready(work, &name).await?;
            Self::settings(work, &name).await?;
            Self::made(work, &name).await
        };
        configured.await.map_err(|failure| failure.after(&name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        if work.changes("Code") || work.changes("Architectures") {
            let input = and(
                code(work)?,
                json!({ "FunctionName": id, "Architectures": work.get("Architectures") }),
            );
            work.call("lambda", "UpdateFunctionCode", input).await?;
            Self::ready(work, id).await?;
        }
        let changed: Vec<&str> = CONFIGURATION.into_iter().filter(|name| work.changes(name)).collect();
        if !changed.is_empty() {
            let mut input = json!({ "FunctionName": id });
            for name in changed {
                let value = work.properties.get(name).cloned().unwrap_or_else(|| default(name));
                if !value.is_null() {
                    input[name] = value;
                }
            }
            work.call("lambda", "UpdateFunctionConfiguration", input).await?;
            Self::ready(work, id).await?;
        }
        Self::settings(work, id).await?;
        let arn = work.arn("lambda", &format!("function:{id}"));
        let members = ["Resource", "Tags", "TagKeys"];
        work.retag("lambda", ["TagResource", "UntagResource"], members, &arn, false)
            .await?;
        Self::made(work, id).await
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("lambda", "DeleteFunction", json!({ "FunctionName": id }))
            .await
    }
}
