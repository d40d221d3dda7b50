use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_store::{EmbeddedOptions, Store};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const PURPOSE: &[u8] = b"a test";

fn made(path: &Path) -> Result<MasterKeys, KeyringError> {
    Ok(MasterKeys::of_file(path, PURPOSE, true)?.unwrap())
}

#[test]
fn what_is_sealed_opens_with_the_same_key_purpose_and_bond_only() {
    let key = SecretKey::random().unwrap();
    let sealed = key.seal(PURPOSE, b"plain", b"bound").unwrap();
    assert_eq!(sealed.len(), 5 + SEAL_BYTES);
    assert_eq!(&key.open(PURPOSE, &sealed, b"bound").unwrap()[..], b"plain");
    assert_ne!(sealed, key.seal(PURPOSE, b"plain", b"bound").unwrap(), "salted");
    let mut altered = sealed.clone();
    altered[20] ^= 1;
    let other = SecretKey::random().unwrap();
    for refused in [
        key.open(PURPOSE, &sealed, b""),
        key.open(PURPOSE, &sealed, b"bond"),
        key.open(b"another", &sealed, b"bound"),
        key.open(PURPOSE, &altered, b"bound"),
        key.open(PURPOSE, &sealed[..3], b"bound"),
        other.open(PURPOSE, &sealed, b"bound"),
    ] {
        assert!(matches!(refused, Err(KeyringError::Sealed)));
    }
    assert_eq!(format!("{key:?}"), "SecretKey(…)");
}

#[test]
fn master_keys_are_made_once_and_kept_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/master-keys");
    assert!(MasterKeys::of_file(&path, PURPOSE, false).unwrap().is_none());
    let first = made(&path).unwrap();
    let wrapped = first.seal_key(&SecretKey::random().unwrap()).unwrap();
    let second = made(&path).unwrap();
    assert_eq!(first.current(), second.current());
    second.open_key(&wrapped).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

    // A line more is a rotation: the new key wraps, the old one still opens.
    let text = std::fs::read_to_string(&path).unwrap();
    let rotated = format!("{text}0011223344556677 {}\n", STANDARD.encode([7; 32]));
    std::fs::write(&path, rotated).unwrap();
    let third = made(&path).unwrap();
    assert_ne!(third.current(), first.current());
    assert!(third.has(first.current()));
    let old = third.open_key(&wrapped).unwrap();
    third.open_key(&third.seal_key(&old).unwrap()).unwrap();

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(made(&path), Err(KeyringError::Unusable { .. })));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for bad in [
        "",
        "something else\n",
        "danbi master keys 1\n",
        "danbi master keys 1\nx AAAA\n",
    ] {
        std::fs::write(&path, bad).unwrap();
        assert!(matches!(made(&path), Err(KeyringError::Unusable { .. })), "{bad:?}");
    }
}

#[tokio::test]
async fn a_lost_master_key_is_noticed_and_never_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_embedded(&folder.path().join("store"), EmbeddedOptions::default()).unwrap();
    let path = folder.path().join("s3.key");
    let open = || MasterKeys::open(&store, b"names", path.clone(), PURPOSE);
    let sealed = open().await.unwrap().seal(b"plain", b"").unwrap();
    assert_eq!(&open().await.unwrap().open_sealed(&sealed, b"").unwrap()[..], b"plain");

    let backup = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let lost = open().await.unwrap_err();
    assert!(
        matches!(&lost, KeyringError::Lost { ids, .. } if ids.len() == 1),
        "{lost}"
    );
    assert!(!path.exists(), "no new key was made");
    assert!(lost.to_string().contains("backup"), "{lost}");

    // Another file of keys is not the one that was lost.
    made(&path).unwrap();
    assert!(matches!(open().await, Err(KeyringError::Lost { .. })));

    std::fs::write(&path, backup).unwrap();
    open().await.unwrap().open_sealed(&sealed, b"").unwrap();
}
