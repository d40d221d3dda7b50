//! The vectors of `awslabs/aws-c-auth`, when the folder named by `SUITES` holds them.

use super::*;
use super::{canonical, rules::PathRule};
use danbi_core::hex;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fs;
use std::path::{Path, PathBuf};

struct Vector {
    folder: PathBuf,
    context: serde_json::Value,
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Vector {
    fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("request.txt")).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let mut lines: Vec<String> = Vec::new();
        for line in head.lines() {
            // A folded header line is one line to every HTTP server.
            match lines.last_mut() {
                Some(last) if line.starts_with(' ') => last.push_str(line),
                _ => lines.push(line.into()),
            }
        }
        let (method, rest) = lines[0].split_once(' ').unwrap();
        let (target, _) = rest.rsplit_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        for line in &lines[1..] {
            let (name, value) = line.split_once(':').unwrap();
            headers.append(
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_str(value.trim()).unwrap(),
            );
        }
        let context = serde_json::from_str(&fs::read_to_string(folder.join("context.json")).unwrap()).unwrap();
        let (method, path, query) = (method.into(), path.into(), query.into());
        Self {
            folder: folder.into(),
            context,
            method,
            path,
            query,
            headers,
            body: body.as_bytes().to_vec(),
        }
    }

    fn view<'a>(&'a self, headers: &'a HeaderMap, query: &'a str) -> RequestView<'a> {
        RequestView {
            method: &self.method,
            path: &self.path,
            query,
            headers,
            authority: None,
        }
    }

    fn expected(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file))
            .unwrap()
            .trim_end_matches('\n')
            .to_owned()
    }

    fn text(&self, pointer: &str) -> Option<&'static str> {
        // A test's leak: the credential source wants texts that live as long as the test.
        self.context
            .pointer(pointer)?
            .as_str()
            .map(|text| &*text.to_owned().leak())
    }

    /// Whether the token is added after signing.
    fn token_comes_late(&self) -> bool {
        self.context["omit_session_token"] == true
    }

    fn rules(&self) -> Rules<'static> {
        let profile = if self.context["normalize"] == true {
            Profile::Standard
        } else {
            Profile::S3
        };
        Rules {
            service: "service",
            region: None,
            profile,
        }
    }

    fn verifier(&self) -> Verifier {
        let key = OneKey {
            id: self.text("/credentials/access_key_id").unwrap(),
            secret: self.text("/credentials/secret_access_key").unwrap(),
            token: self.text("/credentials/token"),
            expires: None,
        };
        verifier(key, at("20150830T123600Z"))
    }

    fn verify(&self, view: &RequestView<'_>) -> Result<Verified, SigV4Error> {
        let claim = Claim::parse(view)?.ok_or(SigV4Error::NotSigned)?;
        let (verifier, rules) = (self.verifier(), self.rules());
        let verified = verifier.verify(view, &claim, &rules, Payload::Whole, Some(sha256(&self.body)));
        verified.now_or_never().unwrap()
    }

    fn run(&self) {
        let name = self.folder.file_name().unwrap().to_string_lossy().into_owned();
        let secret = SecretKey::new(self.text("/credentials/secret_access_key").unwrap());
        let token = self.text("/credentials/token");
        let signer = Signer {
            access_key_id: self.text("/credentials/access_key_id").unwrap(),
            secret: &secret,
            session_token: token.filter(|_| !self.token_comes_late()),
            region: "us-east-1",
            service: "service",
            at: at("20150830T123600Z"),
        };
        let rules = self.rules();
        let hash = hex::encode(sha256(&self.body));

        let mut headers = self.headers.clone();
        signer.stamp_headers(&mut headers).unwrap();
        if self.context["sign_body"] == true {
            headers.insert("x-amz-content-sha256", HeaderValue::from_str(&hash).unwrap());
        }
        let signed = signer.header_signature(&self.view(&headers, &self.query), &rules, &hash);
        assert_eq!(
            hex::encode(signed.signature),
            self.expected("header-signature.txt"),
            "{name}"
        );
        let claim_headers = {
            let mut all = headers.clone();
            all.insert("authorization", HeaderValue::from_str(&signed.authorization).unwrap());
            if let (true, Some(token)) = (self.token_comes_late(), token) {
                all.insert("x-amz-security-token", HeaderValue::from_static(token));
            }
            all
        };
        let view = self.view(&claim_headers, &self.query);
        let claim = Claim::parse(&view).unwrap().unwrap();
        let canonical = canonical::request(&view, rules.profile.path_rule(), &claim.signed_headers, &[], &hash);
        assert_eq!(
            String::from_utf8_lossy(&canonical),
            self.expected("header-canonical-request.txt"),
            "{name}"
        );
        let text = canonical::string_to_sign("20150830T123600Z", &claim.scope.text(), &canonical);
        assert_eq!(text, self.expected("header-string-to-sign.txt"), "{name}");
        self.verify(&view).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (bad, what) in self.with_one_bit_changed(&claim_headers) {
            let refused = self.verify(&self.view(&bad, &self.query));
            assert!(refused.is_err(), "{name}: accepted with {what} changed");
        }

        let expires = self.context["expiration_in_seconds"].as_u64().unwrap() as u32;
        let (mut query, signature) = signer.presigned(&self.view(&self.headers, &self.query), &rules, expires, &hash);
        assert_eq!(hex::encode(signature), self.expected("query-signature.txt"), "{name}");
        if let (true, Some(token)) = (self.token_comes_late(), token) {
            query.push_str(&format!("&X-Amz-Security-Token={}", canonical::encode(token)));
        }
        self.verify(&self.view(&self.headers, &query))
            .unwrap_or_else(|error| panic!("{name}, query: {error}"));
        let bad = query.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601");
        let refused = self.verify(&self.view(&self.headers, &bad));
        assert!(matches!(refused, Err(SigV4Error::Mismatch { .. })), "{name}");
    }

    /// Every signed header, and the signature itself, with one bit changed.
    fn with_one_bit_changed(&self, headers: &HeaderMap) -> Vec<(HeaderMap, String)> {
        let mut all = Vec::new();
        for (name, value) in headers {
            if name == "x-amz-security-token" && self.token_comes_late() {
                continue;
            }
            let mut bytes = value.as_bytes().to_vec();
            let Some(last) = bytes.last_mut() else { continue };
            *last ^= 1;
            let Ok(changed) = HeaderValue::from_bytes(&bytes) else {
                continue;
            };
            let mut bad = headers.clone();
            bad.insert(name.clone(), changed);
            all.push((bad, name.to_string()));
        }
        all
    }
}

#[test]
fn all_published_vectors_are_signed_and_verified() {
    let Some(suites) = std::env::var_os("SUITES") else {
        eprintln!("SUITES is not set: the vectors of aws-c-auth are not run");
        return;
    };
    let folder = Path::new(&suites).join("aws-c-auth/tests/aws-signing-test-suite/v4");
    let mut folders: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    for folder in &folders {
        Vector::read(folder).run();
    }
    eprintln!("{} vectors", folders.len());
    assert!(folders.len() >= 38);
}

#[test]
fn paths_become_canonical() {
    for (path, double, single) in [
        ("", "/", "/"),
        ("/", "/", "/"),
        ("//a/./b/../c//", "/a/c/", "//a/./b/../c//"),
        ("/../..", "/", "/../.."),
        ("/a%20b", "/a%2520b", "/a%20b"),
        (
            "/functions/arn:aws:lambda",
            "/functions/arn%3Aaws%3Alambda",
            "/functions/arn%3Aaws%3Alambda",
        ),
        ("/%e1%88%b4", "/%25e1%2588%25b4", "/%E1%88%B4"),
        ("/100%", "/100%25", "/100%25"),
    ] {
        assert_eq!(canonical::path(path, PathRule::Double), double);
        assert_eq!(canonical::path(path, PathRule::Single), single);
    }
}

#[test]
fn queries_become_canonical() {
    for (query, canonical) in [
        ("", ""),
        ("uploads", "uploads="),
        ("b=2&a=1&a=0&&", "a=0&a=1&b=2"),
        ("x=a%2Fb/c+d", "x=a%2Fb%2Fc%2Bd"),
        ("a=b=c", "a=b%3Dc"),
        ("%zz=%4", "%25zz=%254"),
    ] {
        assert_eq!(canonical::query(query, &[]), canonical);
    }
    assert_eq!(canonical::query("X-Amz-Signature=1&a=2", &["X-Amz-Signature"]), "a=2");
}
