//! Archives as CodeDeploy unpacks them: how one is packed, which its name says because CodeDeploy
//! is told the same way, and what has to be in it. Opening one is not here.

/// What CodeDeploy looks for in an archive's root; exactly one of them (CodeDeploy user guide: "The
/// AppSpec file … must be placed in the root of the directory structure").
pub const APPSPECS: [&str; 2] = ["appspec.yml", "appspec.yaml"];

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bundle {
    /// A zip archive.
    Zip,
    /// A tar archive.
    Tar,
    /// A gzipped tar archive.
    TarGz,
}

impl Bundle {
    /// Told from a file's name or an object's key; `None` when CodeDeploy takes no such file.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let ends = |suffix: &str| name.ends_with(suffix);
        match () {
            () if ends(".zip") => Some(Self::Zip),
            () if ends(".tar") => Some(Self::Tar),
            () if ends(".tar.gz") || ends(".tgz") => Some(Self::TarGz),
            () => None,
        }
    }

    /// What its name ends with.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Zip => ".zip",
            Self::Tar => ".tar",
            Self::TarGz => ".tar.gz",
        }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Zip => "application/zip",
            Self::Tar => "application/x-tar",
            Self::TarGz => "application/gzip",
        }
    }

    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Zip => "zip archive",
            Self::Tar => "tar archive",
            Self::TarGz => "gzipped tar archive",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_how_it_is_packed() {
        for (name, bundle) in [
            ("builds/web.zip", Some(Bundle::Zip)),
            ("builds/WEB.ZIP", Some(Bundle::Zip)),
            ("web.tar", Some(Bundle::Tar)),
            ("web-1.2.tar.gz", Some(Bundle::TarGz)),
            ("build/WEB-1.2.TGZ", Some(Bundle::TarGz)),
            ("web.gz", None),
            ("web.jar", None),
            ("zip", None),
        ] {
            assert_eq!(Bundle::of(name), bundle, "{name}");
        }
    }

    #[test]
    fn what_is_named_by_its_suffix_is_read_as_what_it_is() {
        for bundle in [Bundle::Zip, Bundle::Tar, Bundle::TarGz] {
            let name = format!("web{}", bundle.suffix());
            assert_eq!(Bundle::of(&name), Some(bundle));
        }
    }
}
