//! Which app a verb is about, and what makes a function an app.

use super::failure::Failure;
use super::platform::{FunctionConfiguration, Platform};
use danbi_deploy::{Config, app_name, check_name};
use std::collections::BTreeMap;
use std::path::Path;

/// The tag by which a function is known as an app; its value is the app's name.
pub const APP_TAG: &str = "danbi:app";

/// The app's name: as given, else that of the app in the current folder.
pub fn name_or_here(given: Option<&str>) -> Result<String, Failure> {
    match given {
        Some(name) => {
            check_name(name)
                .map_err(|why| Failure::usage("there is no such app", why).next("`danbi status` lists the apps"))?;
            Ok(name.to_owned())
        }
        None => {
            let here = Path::new(".");
            Ok(app_name(here, &Config::load(here)?)?)
        }
    }
}

/// The tags of an app's function.
pub fn tags(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(APP_TAG.to_owned(), name.to_owned())])
}

/// The app's function, or a failure that says that it is not deployed, or not an app.
pub async fn deployed(platform: &Platform, name: &str) -> Result<FunctionConfiguration, Failure> {
    match platform.function(name).await? {
        Some((function, tags)) if tags.contains_key(APP_TAG) => Ok(function),
        Some(_) => Err(Failure::new(
            format!("{name} is not an app"),
            "the function exists, but `danbi deploy` did not make it",
        )
        .next(format!(
            "`danbi deploy --adopt --name {name}` makes it one; `danbi exec -- aws lambda …` works with any function"
        ))),
        None => Err(absent(platform, name)),
    }
}

/// Makes sure that there is such a function, whoever made it: reading is for all of them.
pub async fn exists(platform: &Platform, name: &str) -> Result<(), Failure> {
    match platform.function(name).await? {
        Some(_) => Ok(()),
        None => Err(absent(platform, name)),
    }
}

fn absent(platform: &Platform, name: &str) -> Failure {
    let where_to = format!(
        "{} has no function of that name in {}",
        platform.endpoint, platform.region
    );
    Failure::new(format!("there is no app {name}"), where_to)
        .next("`danbi status` lists the apps; `danbi deploy` deploys the folder you are in")
}

/// The log group that an app writes to.
pub fn log_group(name: &str) -> String {
    format!("/aws/lambda/{name}")
}
