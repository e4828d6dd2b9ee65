//! How an object is packed, told from its key: CodeDeploy wants to be told, and unpacks nothing
//! else.

use aws_sdk_codedeploy::types::BundleType;

/// How an object is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bundle {
    /// A zip archive.
    Zip,
    /// A tar archive.
    Tar,
    /// A gzipped tar archive.
    TarGz,
}

impl Bundle {
    /// Told from the key; `None` when CodeDeploy takes no such file.
    pub(crate) fn of(key: &str) -> Option<Self> {
        let key = key.to_ascii_lowercase();
        let ends = |suffix: &str| key.ends_with(suffix);
        match () {
            () if ends(".zip") => Some(Self::Zip),
            () if ends(".tar") => Some(Self::Tar),
            () if ends(".tar.gz") || ends(".tgz") => Some(Self::TarGz),
            () => None,
        }
    }

    /// CodeDeploy's word for it.
    pub(crate) fn kind(self) -> BundleType {
        match self {
            Self::Zip => BundleType::Zip,
            Self::Tar => BundleType::Tar,
            Self::TarGz => BundleType::TarGZip,
        }
    }
}

/// Why a key's object cannot be deployed.
pub(crate) fn unknown(key: &str) -> String {
    let name = key.rsplit('/').next().unwrap_or(key);
    format!("{name} is no archive that CodeDeploy unpacks: it takes .zip, .tar, .tar.gz and .tgz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_tells_how_it_is_packed() {
        for (key, bundle) in [
            ("builds/web.zip", Some(Bundle::Zip)),
            ("builds/WEB.ZIP", Some(Bundle::Zip)),
            ("web.tar", Some(Bundle::Tar)),
            ("web-1.2.tar.gz", Some(Bundle::TarGz)),
            ("web.tgz", Some(Bundle::TarGz)),
            ("web.gz", None),
            ("web.jar", None),
            ("zip", None),
        ] {
            assert_eq!(Bundle::of(key), bundle, "{key}");
        }
    }
}
