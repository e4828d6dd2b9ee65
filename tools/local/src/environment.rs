//! The files a shell sources, after which the AWS CLI and `lastgood` work on the local system.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use gateway::{Place, plain_address};

use crate::{ministack::ROOT_SECRET, people::Key, stack::Outputs, trouble::Trouble};

/// Only the owner may read keys, local as they are.
const MODE: u32 = 0o600;

/// Which outputs of the stack become which variables.
const OUTPUTS: [(&str, &str); 5] = [
    ("LASTGOOD_BUCKET", "ArtefactBucketName"),
    ("LASTGOOD_DEPLOYER_ROLE", "DeployerRoleArn"),
    ("LASTGOOD_LIFECYCLE_HOOK", "LifecycleHookFunctionArn"),
    ("LASTGOOD_TABLE", "TableName"),
    ("LASTGOOD_TOPIC", "TopicArn"),
];

/// Variables and their values, in order, and where a shell finds `lastgood`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    variables: Vec<(&'static str, String)>,
    /// The folder in which `lastgood` lies.
    programs: PathBuf,
}

impl Environment {
    /// That of the home account's root.
    ///
    /// # Errors
    /// When the stack lacks an output.
    pub(crate) fn of_root(
        endpoint: &str,
        home: &Place,
        outputs: &Outputs,
        lastgood: &Path,
    ) -> Result<Self, Trouble> {
        // The host name that AWS gives a function URL resolves nowhere.
        let address = |output: &'static str| -> Result<String, Trouble> {
            let url = outputs.get(output)?;
            Ok(plain_address(endpoint, url).unwrap_or_else(|| url.to_owned()))
        };
        let mut variables = vec![
            ("AWS_ACCESS_KEY_ID", home.account.clone()),
            ("AWS_DEFAULT_REGION", home.region.clone()),
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
            ("AWS_REGION", home.region.clone()),
            ("AWS_SECRET_ACCESS_KEY", ROOT_SECRET.to_owned()),
            ("LASTGOOD_ACCOUNT", home.account.clone()),
            ("LASTGOOD_APPROVAL_URL", address("ApprovalUrl")?),
            ("LASTGOOD_COMMAND_URL", address("CommandUrl")?),
        ];
        for (variable, output) in OUTPUTS {
            variables.push((variable, outputs.get(output)?.to_owned()));
        }
        Ok(Self {
            variables,
            programs: lastgood.parent().unwrap_or(lastgood).to_owned(),
        })
    }

    /// The same for somebody with a key of their own.
    #[must_use]
    pub fn with_key(&self, key: &Key) -> Self {
        let replaced = self.variables.iter().map(|(name, value)| {
            let value = match *name {
                "AWS_ACCESS_KEY_ID" => &key.access_key,
                "AWS_SECRET_ACCESS_KEY" => &key.secret,
                _ => value,
            };
            (*name, value.clone())
        });
        Self {
            variables: replaced.collect(),
            programs: self.programs.clone(),
        }
    }

    /// All variables, for a process that is started with them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// One variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find_map(|(known, value)| (known == name).then_some(value))
    }

    /// As a shell reads it.
    #[must_use]
    pub fn render(&self) -> String {
        let mut lines = vec![
            "# Written by `cargo local up`; good until the local system ends.".to_owned(),
            // They would win over the keys below.
            "unset AWS_PROFILE AWS_SESSION_TOKEN".to_owned(),
        ];
        lines.extend(
            self.iter()
                .map(|(name, value)| format!("export {name}={}", quoted(value))),
        );
        lines.push(format!(
            "export PATH={}:\"$PATH\"",
            quoted(&self.programs.display().to_string())
        ));
        // A proxy must not be asked for this machine.
        for name in ["NO_PROXY", "no_proxy"] {
            lines.push(format!("export {name}=\"127.0.0.1${{{name}:+,${name}}}\""));
        }
        lines.join("\n") + "\n"
    }

    /// Writes it to a file that only the owner can read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Trouble> {
        // An earlier file would keep its own mode.
        drop(fs::remove_file(path));
        File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(MODE)
            .open(path)
            .and_then(|mut file| file.write_all(self.render().as_bytes()))
            .map_err(Trouble::file("write", path))
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, process::Command};

    use super::*;

    fn environment() -> Environment {
        Environment {
            variables: vec![
                ("AWS_ACCESS_KEY_ID", "111122223333".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
                ("LASTGOOD_TABLE", "it's a $table".to_owned()),
            ],
            programs: "/it's/target/debug".into(),
        }
    }

    #[test]
    fn a_shell_reads_back_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("local.env");
        let key = Key {
            access_key: "AKIA".to_owned(),
            secret: "s+/=".to_owned(),
        };
        environment().with_key(&key).write(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let script = ". \"$0\" && echo \"$AWS_ACCESS_KEY_ID|$AWS_SECRET_ACCESS_KEY|\
                      $LASTGOOD_TABLE|$AWS_PROFILE|$NO_PROXY|$no_proxy|${PATH%%:*}\"";
        let output = Command::new("sh")
            .args(["-c", script])
            .arg(&path)
            .env("AWS_PROFILE", "production")
            .env("NO_PROXY", "intranet")
            .env_remove("no_proxy")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            said,
            "AKIA|s+/=|it's a $table||127.0.0.1,intranet|127.0.0.1|/it's/target/debug\n"
        );
    }

    #[test]
    fn a_variable_is_found_by_name() {
        assert_eq!(environment().get("LASTGOOD_TABLE"), Some("it's a $table"));
        assert_eq!(environment().get("PATH"), None);
    }
}
