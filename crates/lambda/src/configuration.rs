//! A version's configuration: from a request into the record, and from the record into an answer.

use crate::names::FunctionId;
use crate::records::{Code, Configuration, LayerUse, Logging, Reason, Version, lambda_date};
use crate::shapes::{
    CreateFunctionRequest, DeadLetterConfig, EnvironmentResponse, EphemeralStorage, FunctionConfiguration, Layer,
    LoggingConfig, RuntimeVersionConfig, SnapStartResponse, TracingConfigResponse, UpdateFunctionConfigurationRequest,
};
use crate::{Error, runtimes};
use base64::Engine;
use danbi_core::{Arn, hex};
use danbi_runtime::MAX_CONCURRENCY;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The most bytes of a function's variables, written as JSON.
const MAX_ENVIRONMENT_BYTES: usize = 4096;
/// Variables that the platform sets itself. Source:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>.
const RESERVED_VARIABLES: [&str; 17] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
];
/// The model allows more, for kinds of functions that are not built.
const MAX_TIMEOUT_SECS: i32 = 900;
const MAX_MEMORY_MIB: i32 = 10_240;
const DEFAULT_TIMEOUT_SECS: u32 = 3;
const DEFAULT_MEMORY_MIB: u32 = 128;
const DEFAULT_STORAGE_MIB: u32 = 512;

/// What a request says about a configuration; absent members leave what is.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    description: Option<String>,
    role: Option<String>,
    runtime: Option<String>,
    handler: Option<String>,
    timeout: Option<i32>,
    memory: Option<i32>,
    storage: Option<i32>,
    environment: Option<BTreeMap<String, String>>,
    tracing_active: Option<bool>,
    /// Empty takes it away.
    dead_letter: Option<String>,
    logging: Option<LoggingConfig>,
    snap_start: Option<bool>,
    /// The layers' ARNs, still to be looked up.
    pub(crate) layers: Option<Vec<String>>,
}

impl Settings {
    /// Reads a request to create; refuses what is not built, and what is not acceptable by itself.
    pub(crate) fn of_new(input: &CreateFunctionRequest) -> Result<Self, Error> {
        if input.package_type.as_deref() == Some("Image")
            || input.code.image_uri.is_some()
            || input.image_config.is_some()
        {
            return Err(Error::Unsupported(
                "Container images are not supported by this platform: deploy a .zip archive (PackageType Zip).".into(),
            ));
        }
        if input.runtime.is_none() || input.handler.is_none() {
            return Err(Error::InvalidParameter(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.".into(),
            ));
        }
        not_built("CodeSigningConfigArn", non_empty(&input.code_signing_config_arn))?;
        not_built("TenancyConfig", input.tenancy_config.is_some())?;
        not_built("PublishTo", input.publish_to.is_some())?;
        // The two requests share their members, but not their type.
        Self::of_update(&UpdateFunctionConfigurationRequest {
            capacity_provider_config: input.capacity_provider_config.clone(),
            dead_letter_config: input.dead_letter_config.clone(),
            description: input.description.clone(),
            durable_config: input.durable_config.clone(),
            environment: input.environment.clone(),
            ephemeral_storage: input.ephemeral_storage.clone(),
            file_system_configs: input.file_system_configs.clone(),
            handler: input.handler.clone(),
            kms_key_arn: input.kms_key_arn.clone(),
            layers: input.layers.clone(),
            logging_config: input.logging_config.clone(),
            memory_size: input.memory_size,
            role: Some(input.role.clone()),
            runtime: input.runtime.clone(),
            snap_start: input.snap_start.clone(),
            timeout: input.timeout,
            tracing_config: input.tracing_config.clone(),
            vpc_config: input.vpc_config.clone(),
            ..UpdateFunctionConfigurationRequest::default()
        })
    }

    /// Reads a request to update.
    pub(crate) fn of_update(input: &UpdateFunctionConfigurationRequest) -> Result<Self, Error> {
        not_built("CapacityProviderConfig", input.capacity_provider_config.is_some())?;
        not_built("DurableConfig", input.durable_config.is_some())?;
        not_built("ImageConfig", input.image_config.is_some())?;
        not_built(
            "FileSystemConfigs",
            input.file_system_configs.as_ref().is_some_and(|list| !list.is_empty()),
        )?;
        not_built("KMSKeyArn", non_empty(&input.kms_key_arn))?;
        let dead_letter = input
            .dead_letter_config
            .as_ref()
            .map(|config| config.target_arn.clone().unwrap_or_default());
        if let Some(target) = dead_letter.as_deref().filter(|target| !target.is_empty())
            && !target
                .parse::<Arn>()
                .is_ok_and(|arn| ["sns", "sqs"].contains(&arn.service.as_str()))
        {
            return Err(Error::InvalidParameter(format!(
                "The dead-letter target {target} is neither a queue nor a topic."
            )));
        }
        if let Some(subnet) = input
            .vpc_config
            .iter()
            .flat_map(|vpc| vpc.subnet_ids.iter().flatten())
            .next()
        {
            return Err(Error::InvalidParameter(format!(
                "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID '{subnet}' does not exist"
            )));
        }
        if let Some(group) = input
            .vpc_config
            .iter()
            .flat_map(|vpc| vpc.security_group_ids.iter().flatten())
            .next()
        {
            return Err(Error::InvalidParameter(format!(
                "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group '{group}' does not exist"
            )));
        }
        most(input.timeout, "timeout", MAX_TIMEOUT_SECS)?;
        most(input.memory_size, "memorySize", MAX_MEMORY_MIB)?;
        let environment = input
            .environment
            .as_ref()
            .map(|environment| environment.variables.clone().unwrap_or_default());
        if let Some(variables) = &environment {
            check_environment(variables)?;
        }
        if let Some(runtime) = &input.runtime {
            runtimes::check(runtime)?;
        }
        Ok(Self {
            description: input.description.clone(),
            role: input.role.clone(),
            runtime: input.runtime.clone(),
            handler: input.handler.clone(),
            timeout: input.timeout,
            memory: input.memory_size,
            storage: input.ephemeral_storage.as_ref().map(|storage| storage.size),
            environment,
            dead_letter,
            tracing_active: input
                .tracing_config
                .as_ref()
                .map(|tracing| tracing.mode.as_deref() == Some("Active")),
            logging: input.logging_config.clone(),
            snap_start: input
                .snap_start
                .as_ref()
                .map(|snap| snap.apply_on.as_deref() == Some("PublishedVersions")),
            layers: input.layers.clone(),
        })
    }

    /// The configuration of a new function.
    pub(crate) fn build(
        &self,
        id: &FunctionId,
        code: Code,
        layers: Vec<LayerUse>,
        architecture: Option<&str>,
    ) -> Result<Configuration, Error> {
        let mut configuration = Configuration {
            description: String::new(),
            role: String::new(),
            runtime: String::new(),
            handler: String::new(),
            timeout_secs: DEFAULT_TIMEOUT_SECS,
            memory_mib: DEFAULT_MEMORY_MIB,
            storage_mib: DEFAULT_STORAGE_MIB,
            environment: None,
            architecture: architecture.unwrap_or("x86_64").into(),
            tracing_active: false,
            dead_letter: None,
            layers: Vec::new(),
            logging: Logging {
                json: false,
                application_level: None,
                system_level: None,
                group: format!("/aws/lambda/{}", id.name),
            },
            snap_start: false,
            code,
        };
        self.apply(&mut configuration, Some(layers))?;
        Ok(configuration)
    }

    /// Changes what the request names; `layers` are the looked-up ones, when it names layers.
    pub(crate) fn apply(&self, to: &mut Configuration, layers: Option<Vec<LayerUse>>) -> Result<(), Error> {
        set(&mut to.description, &self.description);
        set(&mut to.role, &self.role);
        set(&mut to.runtime, &self.runtime);
        set(&mut to.handler, &self.handler);
        set(&mut to.timeout_secs, &self.timeout.map(i32::unsigned_abs));
        set(&mut to.memory_mib, &self.memory.map(i32::unsigned_abs));
        set(&mut to.storage_mib, &self.storage.map(i32::unsigned_abs));
        set(&mut to.tracing_active, &self.tracing_active);
        if let Some(target) = &self.dead_letter {
            to.dead_letter = Some(target.clone()).filter(|target| !target.is_empty());
        }
        set(&mut to.snap_start, &self.snap_start);
        set(&mut to.layers, &layers);
        if self.environment.is_some() {
            to.environment.clone_from(&self.environment);
        }
        if let Some(logging) = &self.logging {
            apply_logging(&mut to.logging, logging)?;
        }
        if to.snap_start {
            runtimes::check_snap_start(&to.runtime)?;
        }
        check_unpacked(to)
    }
}

fn set<T: Clone>(to: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        to.clone_from(value);
    }
}

fn non_empty(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| !text.is_empty())
}

fn most(value: Option<i32>, member: &str, limit: i32) -> Result<(), Error> {
    match value.filter(|value| *value > limit) {
        Some(value) => {
            let constraint = format!("Member must have value less than or equal to {limit}");
            Err(Error::constraint(&value.to_string(), member, constraint))
        }
        None => Ok(()),
    }
}

fn not_built(member: &str, given: bool) -> Result<(), Error> {
    if given {
        return Err(Error::Unsupported(format!(
            "{member} is not supported by this platform."
        )));
    }
    Ok(())
}

fn check_environment(variables: &BTreeMap<String, String>) -> Result<(), Error> {
    let reserved: Vec<_> = variables
        .keys()
        .map(String::as_str)
        .filter(|name| RESERVED_VARIABLES.contains(name))
        .collect();
    if !reserved.is_empty() {
        return Err(Error::InvalidParameter(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    if let Some(said) = variables.get("DANBI_CONCURRENCY")
        && !said
            .trim()
            .parse()
            .is_ok_and(|places: u32| (1..=MAX_CONCURRENCY).contains(&places))
    {
        return Err(Error::InvalidParameter(format!(
            "DANBI_CONCURRENCY is how many events an environment takes at once, from 1 to {MAX_CONCURRENCY}, not {said:?}."
        )));
    }
    let measured = serde_json::to_string(variables).map_err(Error::internal)?;
    if measured.len() > MAX_ENVIRONMENT_BYTES {
        return Err(Error::InvalidParameter(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    Ok(())
}

fn apply_logging(to: &mut Logging, config: &LoggingConfig) -> Result<(), Error> {
    if let Some(format) = &config.log_format {
        to.json = format == "JSON";
    }
    if !to.json && (config.application_log_level.is_some() || config.system_log_level.is_some()) {
        return Err(Error::InvalidParameter(
            "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or change the LogFormat to \"JSON\" and try again.".into(),
        ));
    }
    set(&mut to.group, &config.log_group);
    let level = |given: &Option<String>, was: &Option<String>| {
        to.json
            .then(|| given.clone().or_else(|| was.clone()).unwrap_or_else(|| "INFO".into()))
    };
    to.application_level = level(&config.application_log_level, &to.application_level);
    to.system_level = level(&config.system_log_level, &to.system_level);
    Ok(())
}

/// Code and layers together have a limit.
pub(crate) fn check_unpacked(configuration: &Configuration) -> Result<(), Error> {
    let total = configuration
        .layers
        .iter()
        .map(|layer| layer.code.unpacked)
        .sum::<u64>()
        + configuration.code.unpacked;
    let limit = crate::code::MAX_UNPACKED_BYTES;
    if total > limit {
        return Err(Error::InvalidParameter(format!(
            "Function code combined with layers exceeds the maximum allowed size of {limit} bytes. The actual size is {total} bytes."
        )));
    }
    Ok(())
}

/// The digest of an archive as the API shows it: base64 of SHA-256.
pub(crate) fn code_sha256(code: &Code) -> String {
    base64::engine::general_purpose::STANDARD.encode(danbi_core::hex::decode(&code.digest).unwrap_or_default())
}

/// A version as a listing shows it: without its state.
pub(crate) fn listed(id: &FunctionId, version: &Version, arn: &Arn) -> FunctionConfiguration {
    let configuration = &version.configuration;
    FunctionConfiguration {
        architectures: Some(vec![configuration.architecture.clone()]),
        code_sha256: Some(code_sha256(&configuration.code)),
        code_size: i64::try_from(configuration.code.size).ok(),
        description: Some(configuration.description.clone()),
        environment: configuration.environment.clone().map(|variables| EnvironmentResponse {
            variables: Some(variables),
            error: None,
        }),
        ephemeral_storage: Some(EphemeralStorage {
            size: configuration.storage_mib.cast_signed(),
        }),
        function_arn: Some(arn.to_string()),
        function_name: Some(id.name.to_string()),
        handler: Some(configuration.handler.clone()),
        last_modified: Some(lambda_date(version.modified_ms)),
        layers: (!configuration.layers.is_empty()).then(|| {
            let layer = |used: &LayerUse| Layer {
                arn: Some(used.arn.clone()),
                code_size: i64::try_from(used.code.size).ok(),
                ..Layer::default()
            };
            configuration.layers.iter().map(layer).collect()
        }),
        logging_config: Some(LoggingConfig {
            application_log_level: configuration.logging.application_level.clone(),
            log_format: Some(if configuration.logging.json { "JSON" } else { "Text" }.into()),
            log_group: Some(configuration.logging.group.clone()),
            system_log_level: configuration.logging.system_level.clone(),
        }),
        memory_size: Some(configuration.memory_mib.cast_signed()),
        package_type: Some("Zip".into()),
        revision_id: Some(version.revision.clone()),
        role: Some(configuration.role.clone()),
        runtime: Some(configuration.runtime.clone()),
        snap_start: Some(SnapStartResponse {
            apply_on: Some(
                if configuration.snap_start {
                    "PublishedVersions"
                } else {
                    "None"
                }
                .into(),
            ),
            optimization_status: Some(
                if configuration.snap_start && version.optimised {
                    "On"
                } else {
                    "Off"
                }
                .into(),
            ),
        }),
        timeout: Some(configuration.timeout_secs.cast_signed()),
        dead_letter_config: configuration
            .dead_letter
            .clone()
            .map(|arn| DeadLetterConfig { target_arn: Some(arn) }),
        tracing_config: Some(TracingConfigResponse {
            mode: Some(
                if configuration.tracing_active {
                    "Active"
                } else {
                    "PassThrough"
                }
                .into(),
            ),
        }),
        version: Some(version.label()),
        ..FunctionConfiguration::default()
    }
}

/// A version with its state.
pub(crate) fn shown(id: &FunctionId, version: &Version, arn: &Arn) -> FunctionConfiguration {
    let code = |reason: &Option<Reason>| reason.as_ref().map(|reason| reason.code.clone());
    let text = |reason: &Option<Reason>| reason.as_ref().map(|reason| reason.text.clone());
    FunctionConfiguration {
        state: Some(version.state.as_str().into()),
        state_reason: text(&version.state_reason),
        state_reason_code: code(&version.state_reason),
        last_update_status: version.update.map(|update| update.as_str().into()),
        last_update_status_reason: text(&version.update_reason),
        last_update_status_reason_code: code(&version.update_reason),
        runtime_version_config: Some(RuntimeVersionConfig {
            runtime_version_arn: Some(runtime_version_arn(id, &version.configuration.runtime)),
            error: None,
        }),
        ..listed(id, version, arn)
    }
}

/// AWS names the build of a runtime by a digest; ours is that of the runtime's name, so it only changes with it.
fn runtime_version_arn(id: &FunctionId, runtime: &str) -> String {
    format!(
        "arn:aws:lambda:{}::runtime:{}",
        id.scope.region,
        hex::encode(Sha256::digest(runtime))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::FunctionRef;
    use crate::shapes::Environment;
    use danbi_core::Scope;

    fn code() -> Code {
        Code {
            digest: hex::encode(Sha256::digest(b"")),
            size: 10,
            unpacked: 20,
        }
    }

    fn request() -> CreateFunctionRequest {
        CreateFunctionRequest {
            function_name: "f".into(),
            role: "arn:aws:iam::000000000000:role/r".into(),
            runtime: Some("python3.12".into()),
            handler: Some("index.handler".into()),
            ..CreateFunctionRequest::default()
        }
    }

    fn id() -> FunctionId {
        FunctionRef::parse(&Scope::default(), "f", None).unwrap().id
    }

    fn with_variables(pairs: &[(&str, &str)]) -> CreateFunctionRequest {
        let variables = pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        CreateFunctionRequest {
            environment: Some(Environment {
                variables: Some(variables),
            }),
            ..request()
        }
    }

    fn refusal(request: &CreateFunctionRequest) -> String {
        let built = Settings::of_new(request).and_then(|settings| settings.build(&id(), code(), Vec::new(), None));
        built.unwrap_err().to_string()
    }

    #[test]
    fn a_new_function_has_the_defaults_of_aws() {
        let configuration = Settings::of_new(&request())
            .unwrap()
            .build(&id(), code(), Vec::new(), None)
            .unwrap();
        let version = Version {
            number: None,
            revision: "r".into(),
            modified_ms: 0,
            state: crate::records::State::Pending,
            state_reason: Some(Reason::creating()),
            update: None,
            update_reason: None,
            optimised: false,
            configuration,
        };
        let shown = serde_json::to_value(shown(&id(), &version, &id().arn())).unwrap();
        let expected = serde_json::json!({
            "Architectures": ["x86_64"], "CodeSha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "CodeSize": 10,
            "Description": "", "EphemeralStorage": {"Size": 512},
            "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f", "FunctionName": "f",
            "Handler": "index.handler", "LastModified": "1970-01-01T00:00:00.000+0000",
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}, "MemorySize": 128, "PackageType": "Zip",
            "RevisionId": "r", "Role": "arn:aws:iam::000000000000:role/r", "Runtime": "python3.12",
            "RuntimeVersionConfig": {"RuntimeVersionArn": runtime_version_arn(&id(), "python3.12")},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"}, "State": "Pending",
            "StateReason": "The function is being created.", "StateReasonCode": "Creating", "Timeout": 3,
            "TracingConfig": {"Mode": "PassThrough"}, "Version": "$LATEST"
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn variables_have_a_limit_and_reserved_names() {
        let large = "x".repeat(4096);
        assert_eq!(
            refusal(&with_variables(&[("A", &large)])),
            format!(
                "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {{\"A\":\"{large}\"}}"
            )
        );
        assert_eq!(
            refusal(&with_variables(&[("AWS_REGION", "x"), ("OK", "y")])),
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION"
        );
    }

    #[test]
    fn concurrency_is_a_number_in_its_bounds() {
        for (said, taken) in [
            ("1", true),
            ("256", true),
            ("0", false),
            ("257", false),
            ("many", false),
        ] {
            let checked = check_environment(&BTreeMap::from([("DANBI_CONCURRENCY".to_owned(), said.to_owned())]));
            assert_eq!(checked.is_ok(), taken, "{said}");
        }
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        let image = CreateFunctionRequest {
            package_type: Some("Image".into()),
            ..request()
        };
        assert!(refusal(&image).contains("Container images are not supported"));
        let bare = CreateFunctionRequest {
            handler: None,
            ..request()
        };
        assert_eq!(
            refusal(&bare),
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        );
        let level = LoggingConfig {
            application_log_level: Some("INFO".into()),
            ..LoggingConfig::default()
        };
        assert_eq!(
            refusal(&CreateFunctionRequest {
                logging_config: Some(level),
                ..request()
            }),
            "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or change the LogFormat to \"JSON\" and try again."
        );
    }

    #[test]
    fn json_logs_get_their_levels_and_lose_them_again() {
        let json = LoggingConfig {
            log_format: Some("JSON".into()),
            ..LoggingConfig::default()
        };
        let mut request = request();
        request.logging_config = Some(json);
        let mut configuration = Settings::of_new(&request)
            .unwrap()
            .build(&id(), code(), Vec::new(), None)
            .unwrap();
        assert_eq!(configuration.logging.application_level.as_deref(), Some("INFO"));
        let text = LoggingConfig {
            log_format: Some("Text".into()),
            ..LoggingConfig::default()
        };
        let update = UpdateFunctionConfigurationRequest {
            logging_config: Some(text),
            ..Default::default()
        };
        Settings::of_update(&update)
            .unwrap()
            .apply(&mut configuration, None)
            .unwrap();
        assert_eq!(configuration.logging.application_level, None);
    }

    #[test]
    fn time_and_memory_have_limits() {
        assert_eq!(
            refusal(&CreateFunctionRequest {
                timeout: Some(901),
                ..request()
            }),
            "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"
        );
        assert_eq!(
            refusal(&CreateFunctionRequest {
                memory_size: Some(10_241),
                ..request()
            }),
            "1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240"
        );
    }

    #[test]
    fn code_and_layers_share_one_limit() {
        let layer = LayerUse {
            arn: "l".into(),
            code: Code {
                unpacked: 262_144_000,
                ..code()
            },
        };
        let built = Settings::of_new(&request())
            .unwrap()
            .build(&id(), code(), vec![layer], None);
        assert_eq!(
            built.unwrap_err().to_string(),
            "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 262144020 bytes."
        );
    }
}
