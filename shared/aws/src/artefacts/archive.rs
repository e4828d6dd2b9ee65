//! Whether an archive is a revision: exactly one appspec file, in its root (CodeDeploy User Guide,
//! "Plan a revision"). How names are read out of an archive is in [`super::zipped`] and
//! [`super::tarball`].

use domain::bundle::APPSPECS;
use domain::fact::Proof;

/// Most names looked at: more is no archive of an application.
pub(super) const NAMES_MAX: usize = 500_000;

/// What the names in an archive say about its appspec, collected one by one.
#[derive(Debug, Default)]
pub(super) struct Names {
    count: usize,
    appspecs: Vec<String>,
    elsewhere: Option<String>,
}

impl Names {
    /// Notes one file's name.
    pub(super) fn note(&mut self, name: &str) {
        self.count += 1;
        let name = name.replace('\\', "/");
        let name = name.trim_start_matches("./");
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        if !APPSPECS.contains(&file) {
            return;
        }
        if folder.is_empty() {
            self.appspecs.push(file.to_owned());
        } else {
            self.elsewhere.get_or_insert_with(|| folder.to_owned());
        }
    }

    /// Whether there are more names than anybody would pack.
    pub(super) fn are_too_many(&self) -> bool {
        self.count > NAMES_MAX
    }

    /// What they prove.
    pub(super) fn proof(&self) -> Proof {
        let unusable = |words: String| Proof::Unusable(words);
        match (self.appspecs.as_slice(), &self.elsewhere) {
            ([_], _) => Proof::Deployable,
            ([], _) if self.count == 0 => unusable("the archive is empty".to_owned()),
            ([], Some(folder)) => unusable(format!(
                "the archive has its appspec in the folder {folder}, where CodeDeploy does not look: \
                 pack the folder's content, not the folder"
            )),
            ([], None) => unusable("the archive has no appspec.yml in its root".to_owned()),
            (many, _) => unusable(format!(
                "the archive has {} appspec files in its root ({}), and CodeDeploy wants one",
                many.len(),
                many.join(", ")
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(names: &[&str]) -> Proof {
        let mut noted = Names::default();
        for name in names {
            noted.note(name);
        }
        noted.proof()
    }

    #[test]
    fn one_appspec_in_the_root_is_deployable() {
        assert_eq!(
            proof(&["appspec.yml", "scripts/start.sh"]),
            Proof::Deployable
        );
        assert_eq!(proof(&["./app.py", "./appspec.yaml"]), Proof::Deployable);
        assert_eq!(
            proof(&["appspec.yml", "vendor/appspec.yml"]),
            Proof::Deployable
        );
    }

    #[test]
    fn everything_else_says_what_is_wrong() {
        for (names, words) in [
            (vec![], "is empty"),
            (vec!["index.html"], "no appspec.yml in its root"),
            (vec!["web-1.2/appspec.yml"], "in the folder web-1.2"),
            (vec!["appspec.yml", "appspec.yaml"], "2 appspec files"),
            (vec!["Appspec.yml"], "no appspec.yml in its root"),
        ] {
            let Proof::Unusable(why) = proof(&names) else {
                panic!("{names:?} is usable")
            };
            assert!(why.contains(words), "{why}");
        }
    }
}
