//! Which action on which resource each operation asks for.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html>. What
//! names no key is asked for as it stands, so that nobody without rights learns what is wrong with it; the operation
//! says that.

use crate::authority::{CONTEXT, GRANT_ID};
use crate::ciphertext::{self, EncryptionContext};
use crate::error::{Error, Result};
use crate::names::{self, KeyName};
use crate::shapes::*;
use crate::{Kms, grant};
use danbi_core::{Access, Arn, Principal, RequestContext, ServiceError};

type Asked = Result<Access, ServiceError>;
type AllAsked = Result<Vec<Access>, ServiceError>;

/// The account of a caller, if it has one.
pub(crate) fn account_of(principal: &Principal) -> Option<String> {
    match principal {
        Principal::Root(account) => Some(account.to_string()),
        Principal::Identity { arn, .. } => Some(arn.account.clone()),
        Principal::Service(_) | Principal::Anonymous => None,
    }
}

/// `action` on the key that a request names.
pub(crate) fn on(context: &RequestContext, action: &'static str, key_id: &str) -> Access {
    let arn = KeyName::parse(context, key_id).map_or_else(|_| key_id.to_owned(), |name| name.arn());
    Access::new(action, arn)
}

/// Adds what policies and grants may ask of the encryption context.
fn with_context(mut access: Access, context: Option<&EncryptionContext>) -> Access {
    for (name, value) in context.into_iter().flatten() {
        access = access.with(format!("{CONTEXT}{name}"), value);
        access = access.with("kms:EncryptionContextKeys", name);
    }
    access
}

fn with_tags<'t>(mut access: Access, tags: impl IntoIterator<Item = &'t Tag>) -> Access {
    for tag in tags {
        access = access.with(format!("aws:RequestTag/{}", tag.tag_key), &tag.tag_value);
        access = access.with("aws:TagKeys", &tag.tag_key);
    }
    access
}

fn with_some(access: Access, name: &'static str, value: Option<impl Into<String>>) -> Access {
    match value {
        Some(value) => access.with(name, value),
        None => access,
    }
}

/// Access functions of operations that ask for nothing but their own action on the key of `KeyId`. A macro, because their
/// inputs share that member and no trait.
macro_rules! on_key {
    ($($function:ident($input:ident): $action:literal;)*) => {$(
        pub(crate) fn $function(_: &Kms, context: &RequestContext, input: &$input) -> Asked {
            Ok(on(context, $action, &input.key_id))
        }
    )*};
}

on_key! {
    cancel_key_deletion(CancelKeyDeletionRequest): "kms:CancelKeyDeletion";
    delete_imported_key_material(DeleteImportedKeyMaterialRequest): "kms:DeleteImportedKeyMaterial";
    describe_key(DescribeKeyRequest): "kms:DescribeKey";
    disable_key(DisableKeyRequest): "kms:DisableKey";
    disable_key_rotation(DisableKeyRotationRequest): "kms:DisableKeyRotation";
    enable_key(EnableKeyRequest): "kms:EnableKey";
    get_key_policy(GetKeyPolicyRequest): "kms:GetKeyPolicy";
    get_key_rotation_status(GetKeyRotationStatusRequest): "kms:GetKeyRotationStatus";
    get_public_key(GetPublicKeyRequest): "kms:GetPublicKey";
    list_grants(ListGrantsRequest): "kms:ListGrants";
    list_key_policies(ListKeyPoliciesRequest): "kms:ListKeyPolicies";
    list_key_rotations(ListKeyRotationsRequest): "kms:ListKeyRotations";
    list_resource_tags(ListResourceTagsRequest): "kms:ListResourceTags";
    revoke_grant(RevokeGrantRequest): "kms:RevokeGrant";
    rotate_key_on_demand(RotateKeyOnDemandRequest): "kms:RotateKeyOnDemand";
    update_key_description(UpdateKeyDescriptionRequest): "kms:UpdateKeyDescription";
}

pub(crate) fn create_key(_: &Kms, _: &RequestContext, input: &CreateKeyRequest) -> AllAsked {
    let tags = input.tags.as_deref().unwrap_or_default();
    let spec = input.key_spec.as_deref().or(input.customer_master_key_spec.as_deref());
    let mut access = with_tags(Access::any("kms:CreateKey"), tags)
        .with("kms:KeySpec", spec.unwrap_or("SYMMETRIC_DEFAULT"))
        .with("kms:KeyUsage", input.key_usage.as_deref().unwrap_or("ENCRYPT_DECRYPT"))
        .with("kms:KeyOrigin", input.origin.as_deref().unwrap_or("AWS_KMS"))
        .with("kms:MultiRegion", input.multi_region.unwrap_or(false).to_string());
    access = access.with(
        "kms:BypassPolicyLockoutSafetyCheck",
        input.bypass_policy_lockout_safety_check.unwrap_or(false).to_string(),
    );
    let mut asked = vec![access];
    if !tags.is_empty() {
        asked.push(with_tags(Access::any("kms:TagResource"), tags));
    }
    Ok(asked)
}

pub(crate) fn list_keys(_: &Kms, _: &RequestContext, _: &ListKeysRequest) -> Asked {
    Ok(Access::any("kms:ListKeys"))
}

pub(crate) fn list_aliases(_: &Kms, _: &RequestContext, _: &ListAliasesRequest) -> Asked {
    Ok(Access::any("kms:ListAliases"))
}

pub(crate) fn generate_random(_: &Kms, _: &RequestContext, _: &GenerateRandomRequest) -> Asked {
    Ok(Access::any("kms:GenerateRandom"))
}

pub(crate) fn list_retirable_grants(_: &Kms, _: &RequestContext, _: &ListRetirableGrantsRequest) -> Asked {
    Ok(Access::any("kms:ListRetirableGrants"))
}

fn on_alias(context: &RequestContext, action: &'static str, given: &str) -> Access {
    let name = given.strip_prefix(names::ALIAS).unwrap_or(given);
    Access::new(action, names::alias_arn(&context.scope, name))
}

/// Asks for the alias and for the key.
pub(crate) fn create_alias(_: &Kms, context: &RequestContext, input: &CreateAliasRequest) -> AllAsked {
    Ok(vec![
        on_alias(context, "kms:CreateAlias", &input.alias_name),
        on(context, "kms:CreateAlias", &input.target_key_id),
    ])
}

/// Asks for the alias and for the key that it is to be for; the operation asks for the key that it was for.
pub(crate) fn update_alias(_: &Kms, context: &RequestContext, input: &UpdateAliasRequest) -> AllAsked {
    Ok(vec![
        on_alias(context, "kms:UpdateAlias", &input.alias_name),
        on(context, "kms:UpdateAlias", &input.target_key_id),
    ])
}

/// Asks for the alias; the operation asks for its key.
pub(crate) fn delete_alias(_: &Kms, context: &RequestContext, input: &DeleteAliasRequest) -> Asked {
    Ok(on_alias(context, "kms:DeleteAlias", &input.alias_name))
}

pub(crate) fn schedule_key_deletion(_: &Kms, context: &RequestContext, input: &ScheduleKeyDeletionRequest) -> Asked {
    let days = input.pending_window_in_days.unwrap_or(30);
    let access = on(context, "kms:ScheduleKeyDeletion", &input.key_id);
    Ok(access.with("kms:ScheduleKeyDeletionPendingWindowInDays", days.to_string()))
}

pub(crate) fn enable_key_rotation(_: &Kms, context: &RequestContext, input: &EnableKeyRotationRequest) -> Asked {
    let days = input.rotation_period_in_days.unwrap_or(365);
    let access = on(context, "kms:EnableKeyRotation", &input.key_id);
    Ok(access.with("kms:RotationPeriodInDays", days.to_string()))
}

pub(crate) fn put_key_policy(_: &Kms, context: &RequestContext, input: &PutKeyPolicyRequest) -> Asked {
    let bypass = input.bypass_policy_lockout_safety_check.unwrap_or(false);
    let access = on(context, "kms:PutKeyPolicy", &input.key_id);
    Ok(access.with("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string()))
}

pub(crate) fn tag_resource(_: &Kms, context: &RequestContext, input: &TagResourceRequest) -> Asked {
    Ok(with_tags(on(context, "kms:TagResource", &input.key_id), &input.tags))
}

pub(crate) fn untag_resource(_: &Kms, context: &RequestContext, input: &UntagResourceRequest) -> Asked {
    let mut access = on(context, "kms:UntagResource", &input.key_id);
    for key in &input.tag_keys {
        access = access.with("aws:TagKeys", key);
    }
    Ok(access)
}

pub(crate) fn create_grant(_: &Kms, context: &RequestContext, input: &CreateGrantRequest) -> Asked {
    let mut access = on(context, "kms:CreateGrant", &input.key_id).with("kms:GrantIsForAWSResource", "false");
    for operation in &input.operations {
        access = access.with("kms:GrantOperations", operation);
    }
    access = with_some(access, "kms:GranteePrincipal", input.grantee_principal.as_deref());
    access = with_some(access, "kms:RetiringPrincipal", input.retiring_principal.as_deref());
    if let Some(constraints) = &input.constraints {
        if constraints.encryption_context_equals.is_some() {
            access = access.with("kms:GrantConstraintType", "EncryptionContextEquals");
        }
        if constraints.encryption_context_subset.is_some() {
            access = access.with("kms:GrantConstraintType", "EncryptionContextSubset");
        }
    }
    Ok(access)
}

pub(crate) fn retire_grant(_: &Kms, context: &RequestContext, input: &RetireGrantRequest) -> Asked {
    const ACTION: &str = "kms:RetireGrant";
    if let Some((scope, key, id)) = input.grant_token.as_deref().and_then(grant::parse_token) {
        return Ok(Access::new(ACTION, names::key_arn(&scope, &key)).with(GRANT_ID, id));
    }
    match (&input.key_id, &input.grant_id) {
        (Some(key), Some(id)) => Ok(on(context, ACTION, key).with(GRANT_ID, id)),
        // What is missing is for the operation to say.
        _ => Ok(Access::any(ACTION)),
    }
}

pub(crate) fn encrypt(_: &Kms, context: &RequestContext, input: &EncryptRequest) -> Asked {
    let access = on(context, "kms:Encrypt", &input.key_id);
    let access = with_context(access, input.encryption_context.as_ref());
    let algorithm = input.encryption_algorithm.as_deref();
    Ok(access.with("kms:EncryptionAlgorithm", algorithm.unwrap_or("SYMMETRIC_DEFAULT")))
}

/// `action` on the key that a ciphertext names, unless the request names one.
fn on_source(context: &RequestContext, action: &'static str, key_id: Option<&str>, blob: Option<&[u8]>) -> Access {
    if let Some(key_id) = key_id {
        return on(context, action, key_id);
    }
    let arn = blob
        .and_then(ciphertext::parse)
        .and_then(|parsed| key_of(context, parsed.key_arn));
    match arn {
        Some(arn) => Access::new(action, arn),
        // What is no ciphertext is for the operation to say.
        None => Access::any(action),
    }
}

/// The ARN of the key that a ciphertext names, as it is in the region of the request: related keys of several regions
/// open each other's.
pub(crate) fn key_of(context: &RequestContext, named: &str) -> Option<String> {
    let arn: Arn = named.parse().ok()?;
    let mut scope = arn.scope()?;
    let id = arn.resource.strip_prefix("key/").filter(|id| names::is_key_id(id))?;
    if id.starts_with("mrk-") {
        scope.region = context.scope.region.clone();
    }
    Some(names::key_arn(&scope, id))
}

pub(crate) fn decrypt(_: &Kms, context: &RequestContext, input: &DecryptRequest) -> Asked {
    let blob = input.ciphertext_blob.as_ref().map(AsRef::as_ref);
    let access = on_source(context, "kms:Decrypt", input.key_id.as_deref(), blob);
    let access = with_context(access, input.encryption_context.as_ref());
    let algorithm = input.encryption_algorithm.as_deref();
    Ok(access.with("kms:EncryptionAlgorithm", algorithm.unwrap_or("SYMMETRIC_DEFAULT")))
}

pub(crate) fn re_encrypt(_: &Kms, context: &RequestContext, input: &ReEncryptRequest) -> AllAsked {
    let blob = input.ciphertext_blob.as_ref().map(AsRef::as_ref);
    let from = on_source(context, "kms:ReEncryptFrom", input.source_key_id.as_deref(), blob);
    let from = with_context(from, input.source_encryption_context.as_ref());
    let to = on(context, "kms:ReEncryptTo", &input.destination_key_id);
    let to = with_context(to, input.destination_encryption_context.as_ref());
    let key_is_the_same = from.resource == to.resource;
    Ok([from, to]
        .map(|access| access.with("kms:ReEncryptOnSameKey", key_is_the_same.to_string()))
        .into())
}

pub(crate) fn generate_data_key(_: &Kms, context: &RequestContext, input: &GenerateDataKeyRequest) -> Asked {
    let access = on(context, "kms:GenerateDataKey", &input.key_id);
    Ok(with_context(access, input.encryption_context.as_ref()))
}

pub(crate) fn generate_data_key_without_plaintext(
    _: &Kms,
    context: &RequestContext,
    input: &GenerateDataKeyWithoutPlaintextRequest,
) -> Asked {
    let access = on(context, "kms:GenerateDataKeyWithoutPlaintext", &input.key_id);
    Ok(with_context(access, input.encryption_context.as_ref()))
}

pub(crate) fn generate_data_key_pair(_: &Kms, context: &RequestContext, input: &GenerateDataKeyPairRequest) -> Asked {
    let access =
        on(context, "kms:GenerateDataKeyPair", &input.key_id).with("kms:DataKeyPairSpec", &input.key_pair_spec);
    Ok(with_context(access, input.encryption_context.as_ref()))
}

pub(crate) fn generate_data_key_pair_without_plaintext(
    _: &Kms,
    context: &RequestContext,
    input: &GenerateDataKeyPairWithoutPlaintextRequest,
) -> Asked {
    let access = on(context, "kms:GenerateDataKeyPairWithoutPlaintext", &input.key_id);
    let access = access.with("kms:DataKeyPairSpec", &input.key_pair_spec);
    Ok(with_context(access, input.encryption_context.as_ref()))
}

pub(crate) fn generate_mac(_: &Kms, context: &RequestContext, input: &GenerateMacRequest) -> Asked {
    Ok(on(context, "kms:GenerateMac", &input.key_id).with("kms:MacAlgorithm", &input.mac_algorithm))
}

pub(crate) fn verify_mac(_: &Kms, context: &RequestContext, input: &VerifyMacRequest) -> Asked {
    Ok(on(context, "kms:VerifyMac", &input.key_id).with("kms:MacAlgorithm", &input.mac_algorithm))
}

pub(crate) fn sign(_: &Kms, context: &RequestContext, input: &SignRequest) -> Asked {
    let access = on(context, "kms:Sign", &input.key_id).with("kms:SigningAlgorithm", &input.signing_algorithm);
    Ok(access.with("kms:MessageType", input.message_type.as_deref().unwrap_or("RAW")))
}

pub(crate) fn verify(_: &Kms, context: &RequestContext, input: &VerifyRequest) -> Asked {
    let access = on(context, "kms:Verify", &input.key_id).with("kms:SigningAlgorithm", &input.signing_algorithm);
    Ok(access.with("kms:MessageType", input.message_type.as_deref().unwrap_or("RAW")))
}

pub(crate) fn derive_shared_secret(_: &Kms, context: &RequestContext, input: &DeriveSharedSecretRequest) -> Asked {
    let access = on(context, "kms:DeriveSharedSecret", &input.key_id);
    Ok(access.with("kms:KeyAgreementAlgorithm", &input.key_agreement_algorithm))
}

pub(crate) fn get_parameters_for_import(
    _: &Kms,
    context: &RequestContext,
    input: &GetParametersForImportRequest,
) -> Asked {
    let access = on(context, "kms:GetParametersForImport", &input.key_id);
    Ok(access
        .with("kms:WrappingAlgorithm", &input.wrapping_algorithm)
        .with("kms:WrappingKeySpec", &input.wrapping_key_spec))
}

pub(crate) fn import_key_material(_: &Kms, context: &RequestContext, input: &ImportKeyMaterialRequest) -> Asked {
    let access = on(context, "kms:ImportKeyMaterial", &input.key_id);
    let model = input.expiration_model.as_deref().unwrap_or("KEY_MATERIAL_EXPIRES");
    Ok(access.with("kms:ExpirationModel", model))
}

/// Asks to replicate the key, and to make one in the other region.
pub(crate) fn replicate_key(_: &Kms, context: &RequestContext, input: &ReplicateKeyRequest) -> AllAsked {
    let tags = input.tags.as_deref().unwrap_or_default();
    let replicate = on(context, "kms:ReplicateKey", &input.key_id).with("kms:ReplicaRegion", &input.replica_region);
    let mut asked = vec![replicate, with_tags(Access::any("kms:CreateKey"), tags)];
    if !tags.is_empty() {
        asked.push(with_tags(Access::any("kms:TagResource"), tags));
    }
    Ok(asked)
}

pub(crate) fn update_primary_region(_: &Kms, context: &RequestContext, input: &UpdatePrimaryRegionRequest) -> Asked {
    let access = on(context, "kms:UpdatePrimaryRegion", &input.key_id);
    Ok(access.with("kms:PrimaryRegion", &input.primary_region))
}

impl Kms {
    /// Asks for a key that only the operation finds out.
    ///
    /// # Errors
    /// `AccessDeniedException`.
    pub(crate) async fn ask(&self, context: &RequestContext, access: Access) -> Result<()> {
        self.authorizer.authorize(context, &access).await.map_err(Error::from)
    }
}
