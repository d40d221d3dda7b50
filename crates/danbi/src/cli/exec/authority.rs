//! A certificate authority of the data folder, for names under `amazonaws.com` on this machine alone.

use super::proxy::OURS;
use crate::cli::failure::Failure;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where distributions keep the bundle of all certificates that they trust.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Host names whose configuration is kept.
const KEPT: usize = 256;

/// Issues certificates for the names that the proxy answers for.
pub struct Authority {
    folder: PathBuf,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
    issued: Mutex<BTreeMap<String, Arc<ServerConfig>>>,
}

impl Authority {
    /// Opens the authority in `DATA/ca`, or makes it: `cert.pem`, and `key.pem` with mode 0600.
    pub fn open(data: &Path) -> Result<Self, Failure> {
        let folder = data.join("ca");
        let (certificate, key) = match (
            fs::read_to_string(folder.join("cert.pem")),
            fs::read_to_string(folder.join("key.pem")),
        ) {
            (Ok(certificate), Ok(key)) => (
                certificate,
                KeyPair::from_pem(&key).map_err(|error| cannot(&folder, &error))?,
            ),
            _ => make(&folder)?,
        };
        // The certificate is made from the same parameters, so name and key id agree with it.
        let issuer = Issuer::new(own_parameters(), key);
        let key = KeyPair::generate().map_err(|error| cannot(&folder, &error))?;
        Ok(Self {
            folder,
            certificate,
            issuer,
            key,
            issued: Mutex::default(),
        })
    }

    /// Writes the system's certificates and this authority's into one file, for tools that take just one.
    pub fn write_bundle(&self) -> Result<PathBuf, Failure> {
        let given = std::env::var_os("SSL_CERT_FILE")
            .map(PathBuf::from)
            .filter(|path| !path.starts_with(&self.folder));
        let mut system = given
            .into_iter()
            .chain(SYSTEM_BUNDLES.iter().map(PathBuf::from))
            .filter_map(|path| fs::read_to_string(path).ok());
        let mut bundle = system.next().unwrap_or_default();
        if !bundle.is_empty() && !bundle.ends_with('\n') {
            bundle.push('\n');
        }
        bundle.push_str(&self.certificate);
        let path = self.folder.join("bundle.pem");
        write(&path, &bundle, 0o644)?;
        Ok(path)
    }

    /// What a TLS server for `host` needs.
    pub fn server(&self, host: &str) -> Result<Arc<ServerConfig>, Failure> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = issued.get(host) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.issue(host).map_err(|error| cannot(&self.folder, &error))?);
        if issued.len() >= KEPT {
            issued.clear();
        }
        issued.insert(host.to_owned(), Arc::clone(&config));
        Ok(config)
    }

    fn issue(&self, host: &str) -> Result<ServerConfig, Box<dyn std::error::Error>> {
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "Danbi");
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let certificate: CertificateDer<'static> = params.signed_by(&self.key, &self.issuer)?.into();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn make(folder: &Path) -> Result<(String, KeyPair), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| cannot(folder, &error))?;
    let key = KeyPair::generate().map_err(|error| cannot(folder, &error))?;
    let certificate = own_parameters()
        .self_signed(&key)
        .map_err(|error| cannot(folder, &error))?
        .pem();
    write(&folder.join("key.pem"), &key.serialize_pem(), 0o600)?;
    write(&folder.join("cert.pem"), &certificate, 0o644)?;
    Ok((certificate, key))
}

fn own_parameters() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Danbi on this machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Whoever gets hold of the key can speak for these names only.
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: OURS
            .iter()
            .map(|name| GeneralSubtree::DnsName((*name).to_owned()))
            .collect(),
        excluded_subtrees: Vec::new(),
    });
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    params
}

/// Whole or not at all: two `exec` may do it at once.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&partial)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| cannot(path, &error))
}

fn cannot(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        "cannot use the certificate authority for amazonaws.com names",
        format!("{}: {error}", path.display()),
    )
    .next("remove that folder to have it made anew, or name another data folder with --data")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_authority_outlives_the_process_and_keeps_its_key_to_itself() {
        let data = tempfile::tempdir().unwrap();
        let first = Authority::open(data.path()).unwrap();
        first.server("s3.amazonaws.com").unwrap();
        assert_eq!(first.certificate, Authority::open(data.path()).unwrap().certificate);
        let der = own_parameters().self_signed(&first.key).unwrap().der().to_vec();
        // nameConstraints, critical: 2.5.29.30, TRUE.
        let constrained = [0x06, 0x03, 0x55, 0x1d, 0x1e, 0x01, 0x01, 0xff];
        assert!(der.windows(constrained.len()).any(|window| window == constrained));
        let mode = fs::metadata(data.path().join("ca/key.pem"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            fs::read_to_string(first.write_bundle().unwrap())
                .unwrap()
                .ends_with(&first.certificate)
        );
    }
}
