//! The names of runtimes, as the Lambda API accepts them. Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html> and AWS's own error messages, whose order is kept.

use crate::Error;

/// Runtimes that functions may be created with, in the order of AWS's message.
const CURRENT: &str = "nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2";
/// Runtimes that AWS no longer takes.
const RETIRED: [&str; 22] = [
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "go1.x",
    "java8",
    "nodejs",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "provided",
    "python2.7",
    "python3.6",
    "python3.7",
    "ruby2.5",
    "ruby2.7",
    "nodejs8.x",
    "ruby2.6",
];
/// Runtimes that SnapStart knows.
const SNAP_START: [&str; 10] = [
    "java11",
    "java17",
    "java21",
    "java25",
    "python3.12",
    "python3.13",
    "python3.14",
    "dotnet8",
    "dotnet10",
    "java8.al2023",
];

/// Checks the runtime of a function that is created or updated.
pub(crate) fn check(runtime: &str) -> Result<(), Error> {
    if RETIRED.contains(&runtime) {
        return Err(Error::InvalidParameter(format!(
            "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    if !CURRENT.split(", ").any(|name| name == runtime) {
        return Err(Error::InvalidParameter(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{CURRENT}] or be a valid ARN"
        )));
    }
    Ok(())
}

/// Checks that the runtime may have SnapStart.
pub(crate) fn check_snap_start(runtime: &str) -> Result<(), Error> {
    if SNAP_START.contains(&runtime) {
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
    fn runtimes_are_refused_in_the_words_of_aws() {
        assert!(check("python3.13").is_ok());
        assert_eq!(
            check("python3.7").unwrap_err().to_string(),
            "The runtime parameter of python3.7 is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        );
        assert_eq!(
            check("PYTHON3.9").unwrap_err().to_string(),
            "Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2] or be a valid ARN"
        );
        assert_eq!(
            check_snap_start("nodejs22.x").unwrap_err().to_string(),
            "nodejs22.x is not supported for SnapStart enabled functions."
        );
    }
}
