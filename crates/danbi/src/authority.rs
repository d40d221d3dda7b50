//! A certificate authority of the data folder: for names under `amazonaws.com`, and for this machine's own.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ServerSessionMemoryCache;
use rustls::{RootCertStore, ServerConfig};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
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
/// TLS sessions that can be taken up again.
const SESSIONS: usize = 1024;
/// AWS's names: those and what is under them.
pub const AWS_NAMES: [&str; 4] = ["amazonaws.com", "amazonaws.com.cn", "api.aws", "on.aws"];
/// The name of this machine, and what is under it.
const OWN_NAME: &str = "localhost";
/// The first days of these years: from when and until when the authority's own certificate is valid.
const VALID_YEARS: [i32; 2] = [2020, 2050];
/// Who is asked for by no name.
const NAMELESS: [&str; 3] = [OWN_NAME, "127.0.0.1", "::1"];

/// The authority cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", .folder.display())]
pub struct AuthorityError {
    folder: PathBuf,
    reason: String,
}

impl AuthorityError {
    /// Work on the folder was cut off.
    pub fn interrupted(folder: &Path, error: &dyn std::fmt::Display) -> Self {
        cannot(folder, error)
    }
}

/// Whether `host` is one of AWS's names, or under one.
pub fn is_aws_name(host: &str) -> bool {
    AWS_NAMES.iter().any(|name| is_under(host, name))
}

fn is_under(host: &str, name: &str) -> bool {
    let stem = host
        .len()
        .checked_sub(name.len())
        .and_then(|at| Some((host.get(..at)?, host.get(at..)?)));
    stem.is_some_and(|(stem, end)| end.eq_ignore_ascii_case(name) && (stem.is_empty() || stem.ends_with('.')))
}

/// Issues certificates for the names that the platform answers for, and for no others.
pub struct Authority {
    folder: PathBuf,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
    issued: Mutex<BTreeMap<String, Arc<ServerConfig>>>,
    /// Of all names together, so that many names do not keep many sessions.
    sessions: Arc<ServerSessionMemoryCache>,
}

impl Authority {
    /// Opens the authority in `DATA/ca`, or makes it: `cert.pem`, and `key.pem` with mode 0600.
    pub fn open(data: &Path) -> Result<Self, AuthorityError> {
        let folder = data.join("ca");
        let (certificate, key) = match (
            fs::read_to_string(folder.join("cert.pem")),
            fs::read_to_string(folder.join("key.pem")),
        ) {
            (Ok(certificate), Ok(key)) => {
                let key = KeyPair::from_pem(&key).map_err(|error| cannot(&folder, &error))?;
                if is_current(&certificate) {
                    (certificate, key)
                } else {
                    // It was made when the authority spoke for fewer names; who trusts its key need not know.
                    let certificate = certify(&folder, &key)?;
                    (certificate, key)
                }
            }
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
            sessions: ServerSessionMemoryCache::new(SESSIONS),
        })
    }

    /// The system's certificates and this authority's, PEM.
    pub fn bundle(&self) -> String {
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
        bundle
    }

    /// Writes [`Self::bundle`] into a file, for tools that take just one.
    pub fn write_bundle(&self) -> Result<PathBuf, AuthorityError> {
        let path = self.folder.join("bundle.pem");
        write(&path, &self.bundle(), 0o644)?;
        Ok(path)
    }

    /// What a client that trusts nobody else trusts; `None` when the certificate cannot be read.
    pub fn roots(&self) -> Option<RootCertStore> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).ok()?;
        roots.add(certificate).ok()?;
        Some(roots)
    }

    /// Its own certificate, and from when until when it is valid, in milliseconds since the epoch.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub fn certificate(&self) -> Result<(CertificateDer<'static>, [i64; 2]), AuthorityError> {
        let der = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        let der = der.map_err(|error| cannot(&self.folder, &error))?;
        let valid = VALID_YEARS.map(|year| rcgen::date_time_ymd(year, 1, 1).unix_timestamp() * 1000);
        Ok((der, valid))
    }

    /// What a TLS server that is asked for `host`, or for no name, needs; `None` when the platform does not answer for
    /// that name.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn server(&self, host: Option<&str>) -> Result<Option<Arc<ServerConfig>>, AuthorityError> {
        if host.is_some_and(|host| !is_aws_name(host) && !is_under(host, OWN_NAME)) {
            return Ok(None);
        }
        let host = host.unwrap_or_default().to_ascii_lowercase();
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = issued.get(&host) {
            return Ok(Some(Arc::clone(config)));
        }
        let config = Arc::new(self.issue(&host).map_err(|error| cannot(&self.folder, &error))?);
        if issued.len() >= KEPT {
            issued.clear();
        }
        issued.insert(host, Arc::clone(&config));
        Ok(Some(config))
    }

    fn issue(&self, host: &str) -> Result<ServerConfig, Box<dyn std::error::Error>> {
        let names = match host {
            "" => NAMELESS.map(str::to_owned).to_vec(),
            host => vec![host.to_owned()],
        };
        let mut params = CertificateParams::new(names)?;
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
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = Arc::clone(&self.sessions) as _;
        Ok(config)
    }
}

fn make(folder: &Path) -> Result<(String, KeyPair), AuthorityError> {
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| cannot(folder, &error))?;
    let key = KeyPair::generate().map_err(|error| cannot(folder, &error))?;
    write(&folder.join("key.pem"), &key.serialize_pem(), 0o600)?;
    let certificate = certify(folder, &key)?;
    Ok((certificate, key))
}

/// Writes the authority's own certificate.
fn certify(folder: &Path, key: &KeyPair) -> Result<String, AuthorityError> {
    let certificate = own_parameters().self_signed(key);
    let certificate = certificate.map_err(|error| cannot(folder, &error))?.pem();
    write(&folder.join("cert.pem"), &certificate, 0o644)?;
    Ok(certificate)
}

/// Whether a certificate is for all the names that one made now would be for.
fn is_current(certificate: &str) -> bool {
    CertificateDer::from_pem_slice(certificate.as_bytes())
        .is_ok_and(|der| der.windows(OWN_NAME.len()).any(|window| window == OWN_NAME.as_bytes()))
}

fn own_parameters() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Danbi on this machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let loopback = [
        CidrSubnet::V4(Ipv4Addr::LOCALHOST.octets(), [255; 4]),
        CidrSubnet::V6(Ipv6Addr::LOCALHOST.octets(), [255; 16]),
    ];
    // Whoever gets hold of the key can speak for these names only.
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: AWS_NAMES
            .iter()
            .chain(&[OWN_NAME])
            .map(|name| GeneralSubtree::DnsName((*name).to_owned()))
            .chain(loopback.map(GeneralSubtree::IpAddress))
            .collect(),
        excluded_subtrees: Vec::new(),
    });
    [params.not_before, params.not_after] = VALID_YEARS.map(|year| rcgen::date_time_ymd(year, 1, 1));
    params
}

/// Whole or not at all: two `exec` may do it at once.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), AuthorityError> {
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

fn cannot(path: &Path, error: &dyn std::fmt::Display) -> AuthorityError {
    AuthorityError {
        folder: path.into(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_authority_outlives_the_process_and_keeps_its_key_to_itself() {
        let data = tempfile::tempdir().unwrap();
        let first = Authority::open(data.path()).unwrap();
        assert!(first.server(Some("s3.amazonaws.com")).unwrap().is_some());
        for other in [
            "example.com",
            "localhost.example.com",
            "notlocalhost",
            "amazonaws.com.evil.net",
        ] {
            assert!(first.server(Some(other)).unwrap().is_none(), "{other}");
        }
        assert_eq!(first.certificate, Authority::open(data.path()).unwrap().certificate);
        let der = own_parameters().self_signed(&first.key).unwrap().der().to_vec();
        // nameConstraints, critical: 2.5.29.30, TRUE.
        let constrained = [0x06, 0x03, 0x55, 0x1d, 0x1e, 0x01, 0x01, 0xff];
        assert!(der.windows(constrained.len()).any(|window| window == constrained));
        let mut older = own_parameters();
        older.name_constraints = None;
        let older = older.self_signed(&first.key).unwrap().pem();
        assert!(is_current(&first.certificate) && !is_current(&older));
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
