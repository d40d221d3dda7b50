//! The names of runtimes, as the Lambda API accepts them. Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html> and AWS's own error messages, whose order is kept.

use crate::Error;

/// Runtimes that functions may be created with, in the order of AWS's message.
const CURRENT: &str = "nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2";
/// Families of runtimes that there are or were.
const FAMILIES: [&str; 8] = [
    "python",
    "nodejs",
    "provided",
    "java",
    "ruby",
    "dotnetcore",
    "dotnet",
    "go",
];
/// The first Python that SnapStart knows. It knows Java and .NET too, which have no templates here.
const FIRST_SNAP_START: u32 = 12;

/// Checks the runtime of a function that is created or updated.
///
/// AWS refuses versions that it no longer or not yet has, which blocks deploys of code that would run. Here any version of
/// a known family is taken: the runtime then picks the nearest interpreter and warns, or says what to install.
pub(crate) fn check(runtime: &str) -> Result<(), Error> {
    let version = FAMILIES.iter().find_map(|family| runtime.strip_prefix(family));
    let plausible = |version: &str| {
        version
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b))
    };
    if version.is_some_and(plausible) {
        return Ok(());
    }
    Err(Error::InvalidParameter(format!(
        "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{CURRENT}] or be a valid ARN"
    )))
}

/// Checks that the runtime may have SnapStart.
pub(crate) fn check_snap_start(runtime: &str) -> Result<(), Error> {
    let minor = runtime
        .strip_prefix("python3.")
        .and_then(|minor| minor.parse::<u32>().ok());
    if minor.is_some_and(|minor| minor >= FIRST_SNAP_START) {
        return Ok(());
    }
    Err(Error::InvalidParameter(format!(
        "{runtime} is not supported for SnapStart enabled functions."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_version_of_a_known_family_is_taken_and_others_refused_in_the_words_of_aws() {
        for known in [
            "python3.13",
            "python3.99",
            "python2.7",
            "nodejs",
            "nodejs30.x",
            "provided",
            "provided.al2023",
            "java8.al2",
            "go1.x",
        ] {
            assert!(check(known).is_ok(), "{known}");
        }
        assert!(check("perl5").is_err() && check("python3.11; rm").is_err() && check("").is_err());
        assert_eq!(
            check("PYTHON3.9").unwrap_err().to_string(),
            "Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2] or be a valid ARN"
        );
        assert!(check_snap_start("python3.12").is_ok() && check_snap_start("python3.14").is_ok());
        assert!(check_snap_start("python3.11").is_err() && check_snap_start("java21").is_err());
        assert_eq!(
            check_snap_start("nodejs22.x").unwrap_err().to_string(),
            "nodejs22.x is not supported for SnapStart enabled functions."
        );
    }
}
