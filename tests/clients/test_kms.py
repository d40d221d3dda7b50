"""Keys with boto3: made, used, rotated, disabled, deleted; whom policies and grants let in; objects that they protect."""

import json
import os
import subprocess

import boto3
import pytest
from botocore.exceptions import ClientError
from packages import create, python
from platform_under_test import binary


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"], error.value.response["Error"].get("Message", "")


def new_key(kms, **arguments):
    return kms.create_key(**arguments)["KeyMetadata"]


def test_a_key_encrypts_and_its_ciphertext_says_by_itself_which_key_opens_it(danbi):
    kms = danbi.client("kms")
    key = new_key(kms, Description="mine", Tags=[{"TagKey": "team", "TagValue": "a"}])
    assert key["KeyState"] == "Enabled" and key["KeyManager"] == "CUSTOMER"
    kms.create_alias(AliasName="alias/mine", TargetKeyId=key["KeyId"])
    context = {"purpose": "test"}
    sealed = kms.encrypt(KeyId="alias/mine", Plaintext=b"secret", EncryptionContext=context)
    assert sealed["KeyId"] == key["Arn"] and b"secret" not in sealed["CiphertextBlob"]
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    assert (opened["Plaintext"], opened["KeyId"]) == (b"secret", key["Arn"])
    assert refused(kms.decrypt, CiphertextBlob=sealed["CiphertextBlob"])[0] == "InvalidCiphertextException"
    other = new_key(kms)
    again = kms.re_encrypt(CiphertextBlob=sealed["CiphertextBlob"], SourceEncryptionContext=context, DestinationKeyId=other["KeyId"])
    assert kms.decrypt(CiphertextBlob=again["CiphertextBlob"])["Plaintext"] == b"secret"
    assert refused(kms.decrypt, CiphertextBlob=again["CiphertextBlob"], KeyId=key["KeyId"])[0] == "IncorrectKeyException"
    made = kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")
    assert len(made["Plaintext"]) == 32
    assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]


def test_a_disabled_or_doomed_key_is_used_by_nobody_and_a_deleted_one_is_gone(danbi_with):
    danbi = danbi_with(DANBI_KMS_DUE_MS="50,20")
    kms = danbi.client("kms")
    key = new_key(kms)
    kms.create_alias(AliasName="alias/doomed", TargetKeyId=key["KeyId"])
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key["KeyId"])
    assert refused(kms.decrypt, CiphertextBlob=sealed) == ("DisabledException", f"{key['Arn']} is disabled.")
    kms.enable_key(KeyId=key["KeyId"])
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    danbi.wait_until(lambda: key["KeyId"] not in [listed["KeyId"] for listed in kms.list_keys()["Keys"]])
    assert refused(kms.decrypt, CiphertextBlob=sealed)[0] == "NotFoundException"
    assert kms.list_aliases()["Aliases"] == []


def test_rotation_keeps_what_was_encrypted_before(danbi_with):
    danbi = danbi_with(DANBI_KMS_DUE_MS="50,10")
    kms = danbi.client("kms")
    key = new_key(kms)["KeyId"]
    before = kms.encrypt(KeyId=key, Plaintext=b"old")["CiphertextBlob"]
    first = kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    kms.rotate_key_on_demand(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"] != first
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)

    def rotations():
        return [rotation["RotationType"] for rotation in kms.list_key_rotations(KeyId=key)["Rotations"]]

    danbi.wait_until(lambda: "AUTOMATIC" in rotations())
    assert rotations()[0] == "ON_DEMAND"
    assert kms.decrypt(CiphertextBlob=before)["Plaintext"] == b"old"


def test_keys_survive_kill_and_a_lost_master_key_is_refused_at_the_start(danbi):
    kms = danbi.client("kms")
    key = new_key(kms)["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
    danbi.kill_9()
    danbi.start()
    assert danbi.client("kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"kept"
    danbi.terminate()
    master = danbi.data / "kms.key"
    assert os.stat(master).st_mode & 0o777 == 0o600
    kept = master.read_bytes()
    master.unlink()
    command = [binary(), "serve", "--data", str(danbi.data), "--listen", "127.0.0.1:0"]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert failed.returncode == 1 and "lost" in failed.stderr and "backup" in failed.stderr, failed.stderr
    assert not master.exists()
    master.write_bytes(kept)
    master.chmod(0o600)
    danbi.start()
    assert danbi.client("kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"kept"


def session_client(danbi, service):
    """A client with the credentials that a function runs with: a role without any policy; and its role's ARN."""
    source = "import os\ndef handler(e, c):\n    return [os.environ[k] for k in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN')]\n"
    functions = danbi.client("lambda")
    if "asks" not in [function["FunctionName"] for function in functions.list_functions()["Functions"]]:
        create(functions, "asks", python(source))
    key_id, secret, token = json.loads(functions.invoke(FunctionName="asks")["Payload"].read())
    role = functions.get_function_configuration(FunctionName="asks")["Role"]
    credentials = {"aws_access_key_id": key_id, "aws_secret_access_key": secret, "aws_session_token": token}
    return boto3.client(service, endpoint_url=danbi.url, region_name="us-east-1", **credentials), role


def test_grants_let_in_for_what_they_name_and_no_longer(danbi):
    kms = danbi.client("kms")
    key = new_key(kms)["KeyId"]
    theirs, role = session_client(danbi, "kms")
    arguments = {"KeyId": key, "Plaintext": b"x", "EncryptionContext": {"for": "them"}}
    assert refused(theirs.encrypt, **arguments)[0] == "AccessDeniedException"
    grant = kms.create_grant(
        KeyId=key, GranteePrincipal=role, RetiringPrincipal=role, Operations=["Encrypt", "Decrypt"],
        Constraints={"EncryptionContextSubset": {"for": "them"}},
    )
    sealed = theirs.encrypt(**arguments)["CiphertextBlob"]
    assert theirs.decrypt(CiphertextBlob=sealed, EncryptionContext={"for": "them"})["Plaintext"] == b"x"
    assert refused(theirs.encrypt, KeyId=key, Plaintext=b"x")[0] == "AccessDeniedException"
    assert refused(theirs.generate_data_key, KeyId=key, KeySpec="AES_256", EncryptionContext={"for": "them"})[0] == "AccessDeniedException"
    assert [listed["GrantId"] for listed in kms.list_retirable_grants(RetiringPrincipal=role)["Grants"]] == [grant["GrantId"]]
    theirs.retire_grant(GrantToken=grant["GrantToken"])
    assert refused(theirs.encrypt, **arguments)[0] == "AccessDeniedException"
    assert kms.list_grants(KeyId=key)["Grants"] == []


def test_a_key_policy_must_let_even_the_owner_in(danbi):
    kms = danbi.client("kms")
    root = {"AWS": "arn:aws:iam::000000000000:root"}
    statement = {"Effect": "Allow", "Principal": root, "Action": ["kms:Describe*", "kms:PutKeyPolicy", "kms:GetKeyPolicy"], "Resource": "*"}
    key = new_key(kms, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))["KeyId"]
    assert refused(kms.encrypt, KeyId=key, Plaintext=b"x")[0] == "AccessDeniedException"
    locked = {"Version": "2012-10-17", "Statement": [statement | {"Action": "kms:Encrypt"}]}
    code, words = refused(kms.put_key_policy, KeyId=key, Policy=json.dumps(locked))
    assert code == "MalformedPolicyDocumentException" and "update the key policy in the future" in words
    theirs, role = session_client(danbi, "kms")
    statements = [statement, {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "kms:Encrypt", "Resource": "*"}]
    kms.put_key_policy(KeyId=key, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    assert theirs.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]


def test_objects_are_encrypted_under_keys_of_kms(danbi):
    kms, s3 = danbi.client("kms"), danbi.client("s3")
    key = new_key(kms)
    s3.create_bucket(Bucket="guarded")
    put = s3.put_object(Bucket="guarded", Key="a", Body=b"hello" * 9000, ServerSideEncryption="aws:kms", SSEKMSKeyId=key["KeyId"])
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", key["Arn"])
    assert s3.get_object(Bucket="guarded", Key="a", Range="bytes=5-9")["Body"].read() == b"hello"
    assert s3.head_object(Bucket="guarded", Key="a")["SSEKMSKeyId"] == key["Arn"]
    s3.copy_object(Bucket="guarded", Key="b", CopySource="guarded/a")
    assert "SSEKMSKeyId" not in s3.head_object(Bucket="guarded", Key="b")

    kms.disable_key(KeyId=key["KeyId"])
    code, words = refused(s3.get_object, Bucket="guarded", Key="a")
    assert code == "KMS.DisabledException" and key["Arn"] in words
    assert s3.get_object(Bucket="guarded", Key="b")["Body"].read() == b"hello" * 9000
    assert refused(s3.put_object, Bucket="guarded", Key="c", ServerSideEncryption="aws:kms", SSEKMSKeyId=key["KeyId"])[0] == "KMS.DisabledException"
    kms.enable_key(KeyId=key["KeyId"])
    assert s3.get_object(Bucket="guarded", Key="a")["Body"].read() == b"hello" * 9000
    assert refused(s3.put_object, Bucket="guarded", Key="c", ServerSideEncryption="aws:kms:dsse")[0] == "NotImplemented"


def test_an_object_gets_another_key_and_keeps_its_bytes(danbi):
    kms, s3 = danbi.client("kms"), danbi.client("s3")
    first, second = new_key(kms), new_key(kms)
    s3.create_bucket(Bucket="guarded")
    s3.put_bucket_versioning(Bucket="guarded", VersioningConfiguration={"Status": "Enabled"})
    body = b"hello" * 20_000
    old = s3.put_object(Bucket="guarded", Key="a", Body=body, Metadata={"mood": "good"})
    s3.put_object(Bucket="guarded", Key="a", Body=b"newer")
    before = s3.head_object(Bucket="guarded", Key="a", VersionId=old["VersionId"])
    blobs = lambda: sorted(path.name for path in (danbi.data / "blobs").rglob("*") if path.is_file())
    files = blobs()

    def update(key, **more):
        return s3.update_object_encryption(Bucket="guarded", Key="a", ObjectEncryption={"SSEKMS": {"KMSKeyArn": key}}, **more)

    update(first["Arn"], VersionId=old["VersionId"])
    s3.update_object_encryption(Bucket="guarded", Key="a", VersionId=old["VersionId"], ObjectEncryption={"SSEKMS": {"KMSKeyArn": second["Arn"], "BucketKeyEnabled": True}})
    after = s3.head_object(Bucket="guarded", Key="a", VersionId=old["VersionId"])
    assert (after["SSEKMSKeyId"], after["BucketKeyEnabled"]) == (second["Arn"], True)
    kept = ("ETag", "LastModified", "Metadata", "ContentLength")
    assert [after[name] for name in kept] == [before[name] for name in kept] and blobs() == files
    assert s3.get_object(Bucket="guarded", Key="a", VersionId=old["VersionId"])["Body"].read() == body
    assert s3.head_object(Bucket="guarded", Key="a")["ServerSideEncryption"] == "AES256"

    # The new key alone opens it.
    kms.disable_key(KeyId=first["KeyId"])
    assert s3.get_object(Bucket="guarded", Key="a", VersionId=old["VersionId"])["Body"].read() == body
    kms.disable_key(KeyId=second["KeyId"])
    assert refused(s3.get_object, Bucket="guarded", Key="a", VersionId=old["VersionId"])[0] == "KMS.DisabledException"
    assert refused(update, key=first["Arn"])[0] == "KMS.DisabledException"
    assert refused(update, key="arn:aws:kms:us-east-1:000000000000:alias/aws/s3")[0] == "MalformedXML"
    assert refused(update, key=second["Arn"].replace("000000000000", "111111111111"))[0] == "AccessDenied"
    s3.delete_object(Bucket="guarded", Key="a")
    assert refused(update, key=first["Arn"])[0] == "MethodNotAllowed"


def test_a_bucket_encrypts_by_default_with_the_key_that_aws_would_manage(danbi):
    kms, s3 = danbi.client("kms"), danbi.client("s3")
    s3.create_bucket(Bucket="guarded")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket="guarded", ServerSideEncryptionConfiguration={"Rules": [rule]})
    put = s3.put_object(Bucket="guarded", Key="a", Body=b"hello")
    managed = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert (put["SSEKMSKeyId"], put["BucketKeyEnabled"], managed["KeyManager"]) == (managed["Arn"], True, "AWS")
    # Through S3 the whole account may use it; by itself nobody may.
    assert refused(kms.encrypt, KeyId=managed["Arn"], Plaintext=b"x")[0] == "AccessDeniedException"
    assert refused(kms.schedule_key_deletion, KeyId=managed["KeyId"])[0] == "AccessDeniedException"

    upload = s3.create_multipart_upload(Bucket="guarded", Key="parts")
    part = s3.upload_part(Bucket="guarded", Key="parts", UploadId=upload["UploadId"], PartNumber=1, Body=b"x" * (5 << 20))
    assert part["SSEKMSKeyId"] == managed["Arn"]
    done = s3.complete_multipart_upload(
        Bucket="guarded", Key="parts", UploadId=upload["UploadId"], MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    assert done["SSEKMSKeyId"] == managed["Arn"]
    assert s3.get_object(Bucket="guarded", Key="parts")["Body"].read() == b"x" * (5 << 20)


def test_whoever_may_not_use_the_key_can_not_read_the_object(danbi):
    kms, s3 = danbi.client("kms"), danbi.client("s3")
    key = new_key(kms)
    s3.create_bucket(Bucket="guarded")
    s3.put_object(Bucket="guarded", Key="a", Body=b"hello", ServerSideEncryption="aws:kms", SSEKMSKeyId=key["Arn"])
    theirs, role = session_client(danbi, "s3")
    policy = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": role}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::guarded/*"}]}
    s3.put_bucket_policy(Bucket="guarded", Policy=json.dumps(policy))
    code, words = refused(theirs.get_object, Bucket="guarded", Key="a")
    assert code == "AccessDenied" and "kms:Decrypt" in words and key["Arn"] in words
    kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=role, Operations=["Decrypt"])
    assert theirs.get_object(Bucket="guarded", Key="a")["Body"].read() == b"hello"


@pytest.mark.parametrize("spec,algorithm", [("RSA_2048", "RSASSA_PSS_SHA_256"), ("ECC_NIST_P384", "ECDSA_SHA_384"), ("ECC_SECG_P256K1", "ECDSA_SHA_256")])
def test_asymmetric_keys_sign(danbi, spec, algorithm):
    kms = danbi.client("kms")
    key = new_key(kms, KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyId"]
    arguments = {"KeyId": key, "Message": b"hello", "SigningAlgorithm": algorithm}
    signature = kms.sign(**arguments)["Signature"]
    assert kms.verify(Signature=signature, **arguments)["SignatureValid"]
    assert refused(kms.verify, Signature=signature, **(arguments | {"Message": b"hallo"}))[0] == "KMSInvalidSignatureException"
    assert kms.get_public_key(KeyId=key)["SigningAlgorithms"]


def test_related_keys_of_several_regions_open_each_other(danbi):
    here, there = danbi.client("kms"), danbi.client("kms", "eu-west-1")
    key = new_key(here, MultiRegion=True)["KeyId"]
    here.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    sealed = here.encrypt(KeyId=key, Plaintext=b"both")["CiphertextBlob"]
    assert there.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"both"
    here.rotate_key_on_demand(KeyId=key)
    sealed = here.encrypt(KeyId=key, Plaintext=b"new")["CiphertextBlob"]
    assert there.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"new"
    here.update_primary_region(KeyId=key, PrimaryRegion="eu-west-1")
    assert there.describe_key(KeyId=key)["KeyMetadata"]["MultiRegionConfiguration"]["MultiRegionKeyType"] == "PRIMARY"


def test_a_primary_key_waits_for_its_replicas_before_it_goes(danbi_with):
    danbi = danbi_with(DANBI_KMS_DUE_MS="50,20")
    here, there = danbi.client("kms"), danbi.client("kms", "eu-west-1")
    key = new_key(here, MultiRegion=True)["KeyId"]
    here.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    assert here.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)["KeyState"] == "PendingReplicaDeletion"
    assert there.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    there.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    danbi.wait_until(lambda: there.list_keys()["Keys"] == [] and here.list_keys()["Keys"] == [])


def test_no_grant_makes_a_wider_one(danbi):
    kms = danbi.client("kms")
    key = new_key(kms)["KeyId"]
    theirs, role = session_client(danbi, "kms")
    kms.create_grant(KeyId=key, GranteePrincipal=role, Operations=["CreateGrant", "Encrypt"])
    assert theirs.create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])["GrantId"]
    assert refused(theirs.create_grant, KeyId=key, GranteePrincipal=role, Operations=["Encrypt", "Decrypt"])[0] == "AccessDeniedException"
