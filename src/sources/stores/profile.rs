//! Profiles of AWS: what `~/.aws/credentials` and `~/.aws/config` say of one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::error::{Error, ErrorKind, Result};
use crate::settings::Variables;

/// Entries by which a profile gets its credentials in a way that is not followed here.
const FOREIGN: [&str; 5] =
    ["sso_session", "sso_start_url", "credential_process", "source_profile", "credential_source"];

/// What the files say of one profile; it prints no value.
#[derive(Default)]
pub(super) struct Profile(BTreeMap<String, String>);

impl Profile {
    /// The profile called `name`; none if no file has one of that name.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a file that is there and cannot be read.
    pub(super) fn read(name: &str, variables: &Variables) -> Result<Option<Self>> {
        let credentials = text(variables, "AWS_SHARED_CREDENTIALS_FILE", "credentials")?;
        let config = text(variables, "AWS_CONFIG_FILE", "config")?;
        let of_config = section(&config, &[&format!("profile {name}"), name]);
        let of_credentials = section(&credentials, &[name]);
        if of_config.is_none() && of_credentials.is_none() {
            return Ok(None);
        }
        let mut entries = of_config.unwrap_or_default();
        if let Some(services) = entries.get("services").map(|services| format!("services {services}")) {
            let services = section(&config, &[&services]).unwrap_or_default();
            entries.extend(services.into_iter().filter(|(entry, _)| entry == "s3.endpoint_url"));
        }
        // Keys in the file of credentials win.
        entries.extend(of_credentials.unwrap_or_default());
        Ok(Some(Self(entries)))
    }

    /// An entry.
    pub(super) fn get(&self, entry: &str) -> Option<&str> {
        self.0.get(entry).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The endpoint of S3 that it names.
    pub(super) fn endpoint(&self) -> Option<&str> {
        self.get("s3.endpoint_url").or_else(|| self.get("endpoint_url"))
    }

    /// The entry by which it asks another program or service for its credentials, if it has none of its own.
    pub(super) fn foreign(&self) -> Option<&'static str> {
        let has_own = self.get("aws_access_key_id").is_some();
        FOREIGN.into_iter().find(|entry| !has_own && self.get(entry).is_some())
    }
}

/// The text of one of the files; empty where there is none.
fn text(variables: &Variables, variable: &str, name: &str) -> Result<String> {
    let at_home = || variables.get("HOME").map(|home| Path::new(home).join(".aws").join(name));
    let Some(path) = variables.get(variable).map(PathBuf::from).or_else(at_home) else { return Ok(String::new()) };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::new(ErrorKind::Usage, "a file of AWS profiles cannot be read")
            .context("file", path.display())
            .source(error)),
    }
}

/// The entries of the first section that has one of `names`. An entry that is indented belongs to the one before it.
fn section(text: &str, names: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut found = None;
    let mut is_inside = false;
    let mut parent = String::new();
    for line in text.lines() {
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            is_inside = names.contains(&name.as_str());
            if is_inside {
                found.get_or_insert_with(BTreeMap::new);
            }
            continue;
        }
        let (true, Some((entry, value))) = (is_inside, content.split_once('=')) else { continue };
        let (entry, value) = (entry.trim().to_ascii_lowercase(), value.trim().to_owned());
        let is_nested = line.starts_with([' ', '\t']) && !parent.is_empty();
        let entry = if is_nested { format!("{parent}.{entry}") } else { entry };
        if !is_nested {
            parent = if value.is_empty() { entry.clone() } else { String::new() };
        }
        if let Some(entries) = &mut found {
            entries.insert(entry, value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_by_name_with_nested_entries() {
        let text = "# c\n[default]\nregion=eu-west-1\n[profile  a b]\nregion = us-east-2\nservices = local\n\
            [services local]\ns3 =\n  endpoint_url = http://127.0.0.1:9000\nec2 =\n\tendpoint_url = http://x\n";
        assert_eq!(section(text, &["default"]).unwrap()["region"], "eu-west-1");
        assert_eq!(section(text, &["profile a b"]).unwrap()["region"], "us-east-2");
        let services = section(text, &["services local"]).unwrap();
        assert_eq!(services["s3.endpoint_url"], "http://127.0.0.1:9000");
        assert_eq!(services["ec2.endpoint_url"], "http://x");
        assert!(section(text, &["other"]).is_none());
    }
}
