//! Poetry's table of dependencies, in pip's words: its build backend, which pip would ask, refuses projects that are no
//! packages, and looks for a module of the project's name, which an app often has not.

use toml::{Table, Value};

/// What pip has to install for `[tool.poetry.dependencies]`, and the names of it. `lock` is poetry.lock, if there is one:
/// what the app asks for by name is then installed in the version that was locked.
pub(super) fn requirements(dependencies: &Table, lock: Option<&Table>) -> (Vec<String>, Vec<String>) {
    let mut arguments = Vec::new();
    let mut names = Vec::new();
    for (name, wanted) in dependencies.iter().filter(|(name, _)| *name != "python") {
        let before = arguments.len();
        match wanted {
            // The same dependency for several platforms or interpreters.
            Value::Array(several) => {
                arguments.extend(several.iter().filter_map(|one| requirement(name, one, None)));
            }
            one => arguments.extend(requirement(name, one, lock.and_then(|lock| locked(lock, name)))),
        }
        if arguments.len() > before {
            names.push(name.to_lowercase().replace('_', "-"));
        }
    }
    (arguments, names)
}

/// One dependency; nothing when it is optional, for only who asks for its group installs it.
fn requirement(name: &str, wanted: &Value, locked: Option<&str>) -> Option<String> {
    let table = match wanted {
        Value::String(versions) => return Some(format!("{name}{}", pinned(versions, locked))),
        Value::Table(table) => table,
        _ => return None,
    };
    let text = |key: &str| table.get(key).and_then(Value::as_str);
    if table.get("optional").and_then(Value::as_bool) == Some(true) {
        return None;
    }
    if let Some(path) = text("path") {
        return Some(if path.starts_with(['.', '/']) {
            path.to_owned()
        } else {
            format!("./{path}")
        });
    }
    let extras: Vec<&str> = table
        .get("extras")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let extras = match extras.as_slice() {
        [] => String::new(),
        extras => format!("[{}]", extras.join(",")),
    };
    let what = if let Some(url) = text("git") {
        let at = ["rev", "tag", "branch"].into_iter().find_map(text);
        let at = at.map_or(String::new(), |at| format!("@{at}"));
        let folder = text("subdirectory").map_or(String::new(), |folder| format!("#subdirectory={folder}"));
        format!("{name}{extras} @ git+{url}{at}{folder}")
    } else if let Some(url) = text("url") {
        format!("{name}{extras} @ {url}")
    } else {
        format!("{name}{extras}{}", pinned(text("version").unwrap_or("*"), locked))
    };
    let mut markers = Vec::new();
    if let Some(python) = text("python").and_then(comparisons) {
        markers.extend(python.iter().map(|(how, version)| {
            // Of an interpreter only the first two numbers are compared, as Poetry does.
            let version: Vec<&str> = version.split('.').take(2).collect();
            format!("python_version {how} \"{}\"", version.join("."))
        }));
    }
    markers.extend(text("platform").map(|platform| format!("sys_platform == \"{platform}\"")));
    markers.extend(text("markers").map(|given| format!("({given})")));
    Some(match markers.is_empty() {
        true => what,
        // After an address the semicolon needs room before it.
        false => format!("{what} ; {}", markers.join(" and ")),
    })
}

/// The locked version, else the range in pip's words. Alternatives (`||`) have no such words: any version is taken then.
fn pinned(versions: &str, locked: Option<&str>) -> String {
    if let Some(version) = locked {
        return format!("=={version}");
    }
    let comparisons = comparisons(versions).unwrap_or_default();
    let words: Vec<String> = comparisons
        .iter()
        .map(|(how, version)| format!("{how}{version}"))
        .collect();
    words.join(",")
}

/// Poetry's version constraints as comparisons; nothing for those that are alternatives.
fn comparisons(versions: &str) -> Option<Vec<(&'static str, String)>> {
    if versions.contains('|') {
        return None;
    }
    // `>= 1.0` is one comparison, `>=1.0 <2.0` are two.
    let mut joined = versions.trim().to_owned();
    for operator in ["^", "~", "=", "<", ">"] {
        while joined.contains(&format!("{operator} ")) {
            joined = joined.replace(&format!("{operator} "), operator);
        }
    }
    let mut found = Vec::new();
    for one in joined.split([',', ' ']).filter(|one| !one.is_empty() && *one != "*") {
        if let Some(version) = one.strip_prefix('^') {
            found.push((">=", version.to_owned()));
            found.push(("<", above_caret(version)));
            continue;
        }
        let plain = ["~=", "==", "!=", ">=", "<=", ">", "<"];
        if let Some(operator) = plain.into_iter().find(|operator| one.starts_with(operator)) {
            found.push((operator, one[operator.len()..].to_owned()));
        } else if let Some(version) = one.strip_prefix('~') {
            found.push((">=", version.to_owned()));
            found.push(("<", above(version, numbers(version).len().min(2))));
        } else {
            found.push(("==", one.trim_start_matches('=').to_owned()));
        }
    }
    Some(found)
}

/// The first version that `^version` excludes: the leftmost number that is not zero goes up.
fn above_caret(version: &str) -> String {
    let numbers = numbers(version);
    let leftmost = numbers.iter().position(|number| *number != 0);
    above(version, leftmost.map_or(numbers.len(), |at| at + 1))
}

/// `version` with its `kept`th number one higher and zeros after it.
fn above(version: &str, kept: usize) -> String {
    let mut numbers = numbers(version);
    let kept = kept.max(1);
    for (at, number) in numbers.iter_mut().enumerate() {
        match (at + 1).cmp(&kept) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => *number += 1,
            std::cmp::Ordering::Greater => *number = 0,
        }
    }
    let words: Vec<String> = numbers.iter().map(u32::to_string).collect();
    words.join(".")
}

/// The numbers that a version begins with: 1, 0 and 0 of `1.0.0b2`.
fn numbers(version: &str) -> Vec<u32> {
    let number = |part: &str| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().unwrap_or(0).min(u32::MAX - 1)
    };
    version.split('.').map(number).collect()
}

/// The version of `name` in poetry.lock, when it is there once.
fn locked<'a>(lock: &'a Table, name: &str) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '.'], "-");
    let same = |listed: &str| plain(listed) == plain(name);
    let mut found = lock
        .get("package")?
        .as_array()?
        .iter()
        .filter(|package| package.get("name").and_then(Value::as_str).is_some_and(same));
    let package = found.next()?;
    // One from elsewhere than an index, or one of several for different platforms, is not known by its version alone.
    if found.next().is_some() || package.get("source").is_some() {
        return None;
    }
    package.get("version")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dependencies: &str, lock: &str) -> Vec<String> {
        let lock: Table = toml::from_str(lock).unwrap();
        requirements(&toml::from_str(dependencies).unwrap(), Some(&lock)).0
    }

    #[test]
    fn constraints_are_said_in_pip_s_words() {
        for (poetry, pip) in [
            ("^1.2.3", ">=1.2.3,<2.0.0"),
            ("^0.115", ">=0.115,<0.116"),
            ("^0.0.3", ">=0.0.3,<0.0.4"),
            ("^0", ">=0,<1"),
            ("^1.0.0b2", ">=1.0.0b2,<2.0.0"),
            ("~1.2.3", ">=1.2.3,<1.3.0"),
            ("~1", ">=1,<2"),
            ("~=1.4.2", "~=1.4.2"),
            (">=1.0,<2.0", ">=1.0,<2.0"),
            (">= 1.0 < 2.0", ">=1.0,<2.0"),
            ("1.2.*", "==1.2.*"),
            ("3.0.1", "==3.0.1"),
            ("*", ""),
            ("<2 || >3", ""),
            ("4294967295", "==4294967295"),
            ("^99999999999", ">=99999999999,<1"),
        ] {
            assert_eq!(pinned(poetry, None), pip, "{poetry}");
        }
    }

    #[test]
    fn tables_say_more_than_versions() {
        let dependencies = r#"
            python = "^3.11"
            Flask_Cors = "^4.0"
            uvicorn = { version = "^0.30", extras = ["standard"] }
            psycopg = { version = "*", optional = true }
            ours = { path = "libs/ours", develop = true }
            tool = { git = "https://example.com/tool.git", tag = "v1" }
            tomli = { version = "^2", python = "<3.11" }
            several = [{ version = "1.0", python = "<3.9" }, { version = "2.0", platform = "linux" }]
        "#;
        let mut found = read(dependencies, "");
        found.sort();
        assert_eq!(
            found,
            [
                "./libs/ours",
                "Flask_Cors>=4.0,<5.0",
                "several==1.0 ; python_version < \"3.9\"",
                "several==2.0 ; sys_platform == \"linux\"",
                "tomli>=2,<3 ; python_version < \"3.11\"",
                "tool @ git+https://example.com/tool.git@v1",
                "uvicorn[standard]>=0.30,<0.31",
            ]
        );
    }

    #[test]
    fn what_is_locked_is_installed_as_locked() {
        let lock = "[[package]]\nname = \"flask-cors\"\nversion = \"4.0.1\"\n[[package]]\nname = \"flask\"\nversion = \"3.0.3\"\n";
        assert_eq!(
            read("Flask_Cors = \"^4\"\nother = \"1\"", lock),
            ["Flask_Cors==4.0.1", "other==1"]
        );
    }
}
