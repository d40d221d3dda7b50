//! The operations, each with what it asks the authorizer for.

use crate::operations::{
    agreement, aliases, create, data_key_pairs, data_keys, deletion, describe, encrypt, grants, import, lists, mac,
    policies, random, regions, rotation, sign, state, tagging,
};
use crate::shapes::operations as op;
use crate::{Kms, access};
use danbi_wire::Service;
use std::sync::Arc;

/// The largest request body: a grant's constraints and a policy are the largest members.
const BODY_BYTES: usize = 512 * 1024;

impl Kms {
    /// The operations of KMS.
    pub fn service(self: &Arc<Self>) -> Service {
        let service = Service::builder(&danbi_wire::models::KMS, Arc::clone(self)).body_limit(BODY_BYTES);
        let service = service
            .on(op::CreateKey, access::create_key, create::create)
            .on(op::DescribeKey, access::describe_key, describe::describe)
            .on(op::ListKeys, access::list_keys, lists::keys)
            .on(
                op::UpdateKeyDescription,
                access::update_key_description,
                state::describe,
            )
            .on(op::EnableKey, access::enable_key, state::enable)
            .on(op::DisableKey, access::disable_key, state::disable)
            .on(
                op::ScheduleKeyDeletion,
                access::schedule_key_deletion,
                deletion::schedule,
            )
            .on(op::CancelKeyDeletion, access::cancel_key_deletion, deletion::cancel)
            .on(op::CreateAlias, access::create_alias, aliases::create)
            .on(op::UpdateAlias, access::update_alias, aliases::update)
            .on(op::DeleteAlias, access::delete_alias, aliases::delete)
            .on(op::ListAliases, access::list_aliases, aliases::list)
            .on(op::TagResource, access::tag_resource, tagging::tag)
            .on(op::UntagResource, access::untag_resource, tagging::untag)
            .on(op::ListResourceTags, access::list_resource_tags, tagging::list)
            .on(op::PutKeyPolicy, access::put_key_policy, policies::put)
            .on(op::GetKeyPolicy, access::get_key_policy, policies::get)
            .on(op::ListKeyPolicies, access::list_key_policies, policies::list)
            .on(op::CreateGrant, access::create_grant, grants::create)
            .on(op::ListGrants, access::list_grants, grants::list)
            .on(
                op::ListRetirableGrants,
                access::list_retirable_grants,
                grants::retirable,
            )
            .on(op::RevokeGrant, access::revoke_grant, grants::revoke)
            .on(op::RetireGrant, access::retire_grant, grants::retire);
        let service = service
            .on(op::Encrypt, access::encrypt, encrypt::encrypt)
            .on(op::Decrypt, access::decrypt, encrypt::decrypt)
            .on(op::ReEncrypt, access::re_encrypt, encrypt::re_encrypt)
            .on(
                op::GenerateDataKey,
                access::generate_data_key,
                data_keys::with_plaintext,
            )
            .on(
                op::GenerateDataKeyWithoutPlaintext,
                access::generate_data_key_without_plaintext,
                data_keys::without_plaintext,
            )
            .on(
                op::GenerateDataKeyPair,
                access::generate_data_key_pair,
                data_key_pairs::with_plaintext,
            )
            .on(
                op::GenerateDataKeyPairWithoutPlaintext,
                access::generate_data_key_pair_without_plaintext,
                data_key_pairs::without_plaintext,
            )
            .on(op::GenerateRandom, access::generate_random, random::generate)
            .on(op::GenerateMac, access::generate_mac, mac::generate)
            .on(op::VerifyMac, access::verify_mac, mac::verify)
            .on(op::Sign, access::sign, sign::sign)
            .on(op::Verify, access::verify, sign::verify)
            .on(op::GetPublicKey, access::get_public_key, sign::public_key)
            .on(op::DeriveSharedSecret, access::derive_shared_secret, agreement::derive);
        service
            .on(op::EnableKeyRotation, access::enable_key_rotation, rotation::enable)
            .on(op::DisableKeyRotation, access::disable_key_rotation, rotation::disable)
            .on(
                op::GetKeyRotationStatus,
                access::get_key_rotation_status,
                rotation::status,
            )
            .on(op::RotateKeyOnDemand, access::rotate_key_on_demand, rotation::on_demand)
            .on(op::ListKeyRotations, access::list_key_rotations, rotation::list)
            .on(
                op::GetParametersForImport,
                access::get_parameters_for_import,
                import::parameters,
            )
            .on(op::ImportKeyMaterial, access::import_key_material, import::import)
            .on(
                op::DeleteImportedKeyMaterial,
                access::delete_imported_key_material,
                import::delete,
            )
            .on(op::ReplicateKey, access::replicate_key, regions::replicate)
            .on(
                op::UpdatePrimaryRegion,
                access::update_primary_region,
                regions::update_primary,
            )
            .build()
    }
}
